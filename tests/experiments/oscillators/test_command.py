import errno
import json
import subprocess
import sys

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.oscillators import command, device, digits, gaussians, members
from experiments.runs.directory import load_run
from nelc_jax.oscillators import (
    ObservedMotion,
)

SMALL = ["--models", "3", "--steps", "40", "--batch", "4", "--knots", "12"]


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    for module in (gaussians, digits):
        monkeypatch.setattr(module, "SAMPLES", 60)
        monkeypatch.setattr(module, "SUBSTEPS", 6)
        monkeypatch.setattr(module, "PACES", (0.5,))
    monkeypatch.setattr(gaussians, "TRAINING_POINTS", 500)
    monkeypatch.setattr(digits, "SHOWN", 3)
    # Each of another probability is a program of its own.
    monkeypatch.setattr(device, "FLIPS", (0.5,))
    monkeypatch.setattr(digits, "LIMIT_POINTS", 64)
    monkeypatch.setattr(digits, "LIMIT_ITERATIONS", 5)


def read(out, name):
    lines = (out / name).read_text().splitlines()
    return [line.split(",") for line in lines]


@pytest.fixture
def trained_once(monkeypatch):
    """What was trained is found again."""
    train, found = command.run_gaussians, []

    def trained(*arguments):
        found.append(found[0] if found else train(*arguments))
        return found[0]

    monkeypatch.setattr(command, "run_gaussians", trained)


@pytest.fixture
def one_is_lost(monkeypatch):
    """The second of three networks that learn from motion is no number from the start.

    Another learning rate would be another program.
    """
    init = members._init

    def broken(keys, learner, x):
        states = init(keys, learner, x)
        if not isinstance(learner.rule, ObservedMotion):
            return states
        return eqx.tree_at(lambda s: s.parameters.b, states, replace_fn=_lose)

    monkeypatch.setattr(members, "_init", broken)


def _lose(array):
    return array.at[1].set(jnp.nan)


def test_gaussians(tmp_path, monkeypatch, trained_once, one_is_lost):
    out = tmp_path / "run"
    # Three networks on two devices: one is trained twice, and dropped.
    given = ["--out", str(out), "--task", "gaussians", *SMALL]

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(command, "gaussians_page", full)
        with pytest.raises(UserError, match=r"cannot be written \(No space left on"):
            command.main(given)
    # What was trained is there, and the same command goes on.
    assert load_run(out).arrays["force_matching.J"].shape == (3, 12, 2, 2)
    command.main(given)
    with pytest.raises(UserError, match="already holds a run"):
        command.main(given)
    run = load_run(out)
    assert run.config["task"] == "gaussians"
    assert run.arrays["force_matching.J"].shape == (3, 12, 2, 2)
    assert len(run.history["loss"]) == 2 * 3 * 40
    header, *rows = read(out, "comparison.csv")
    found = {
        row[0]: dict(zip(header[1:], map(float, row[1:]), strict=True)) for row in rows
    }
    assert {name: row["networks"] for name, row in found.items()} == {
        name: 2 if name == "observed motion" else 3 for name in found
    }
    # Frozen before the first of 40 steps, and left out of the means.
    lost = (run.models["method"] == 1) & (run.models["model"] == 1)
    np.testing.assert_array_equal(run.models["diverged_at"], lost)
    np.testing.assert_array_equal(np.isnan(run.models["valley"]), lost)
    mean = np.mean(run.models["width"][(run.models["method"] == 1) & ~lost])
    np.testing.assert_allclose(found["observed motion"]["width"], mean, rtol=1e-6)
    words = "observed motion: network 1 went non-finite by step 1: frozen"
    assert words in (out / "report.html").read_text()
    assert set(found) == {
        "force matching",
        "observed motion",
        "projection",
        "exact score",
        "fresh data",
    }
    for name in ("exact score", "fresh data"):
        assert abs(found[name]["energy_distance"]) < 0.1
        assert abs(found[name]["mode_weight"] - 0.6) < 0.2
    assert [row[0] for row in read(out, "costs.csv")] == ["pace", "0.5"]
    names = {path.name for path in (out / "figures").iterdir()}
    figures = ("field", "samples", "cost", "loss")
    assert names == {f"{name}.{kind}" for name in figures for kind in ("png", "pdf")}
    assert (out / "report.html").read_text().count("data:image/png;base64,") == 4


KINDS = {
    "hidden": (
        {
            "force matching (hidden)",
            "held contrast (hidden)",
            "virial (hidden)",
            "observed motion (hidden)",
        },
        "force_matching_hidden.A",
        (1, 12, 7, 25),
    ),
    "quartic": (
        {
            "force matching",
            "observed motion",
            "force matching (lattice)",
            "projection",
        },
        "force_matching_lattice.J",
        (1, 12, 25, 25),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_digits(tmp_path, kind, request):
    methods, array, shape = KINDS[kind]
    if kind == "quartic":
        request.getfixturevalue("blank")
    out = tmp_path / "run"
    options = [*SMALL, "--models", "1", "--side", "5", "--hidden", "7"]
    options += ["--network", kind] * (kind != "hidden")
    command.main(["--out", str(out), "--task", "digits", *options])
    run = load_run(out)
    assert run.config["network"] == kind
    assert run.arrays[array].shape == shape
    header, *rows = read(out, "comparison.csv")
    found = {
        row[0]: dict(zip(header[1:], map(float, row[1:]), strict=True)) for row in rows
    }
    assert {row["networks"] for row in found.values()} == {1}
    assert (run.models["diverged_at"] == 0).all()
    assert set(found) == methods | {"score network", "training images"}
    # The measures of data, which every method is compared with.
    data = found["training images"]
    assert data["called_0_or_1"] > 0.9
    assert abs(data["share_of_zeros"] - 0.5) < 0.1
    assert abs(data["energy_distance"]) < 0.1
    assert all(data["energy_distance"] < found[n]["energy_distance"] for n in methods)
    assert (out / "devices.csv").is_file() == (kind == "hidden")
    assert (out / "figures" / "neighbours.png").is_file()
    assert (out / "report.html").read_text().count("data:image/png;base64,") == 5
    header, *rows = read(out, "completions.csv")
    right = {row[0]: float(row[header.index("right_digit")]) for row in rows}
    assert right["held-out images"] > 0.9


BAD_OPTIONS = {
    "--models 0": "--models 0: expected a positive number",
    "--steps -1": "--steps -1: expected a positive number",
    "--learning-rate nan": "--learning-rate nan: expected",
    "--knots 1": "--knots 1: expected at least 2",
    "--side 3": "--side 3: expected at least 4",
    "--side 29": "--side 29: expected at most 28",
    "--classes 11": "--classes 11: expected from 2 to 10",
    "--fraction 1": "--fraction 1.0: expected between 0 and 1",
    "--seed -1": "--seed -1: expected 0 or more",
    "--task digits --dataset cifar": "choose digits, mnist5k or mnist",
    "--task digits --dataset mnist --data-dir nowhere": "--data-dir nowhere holds no",
    "--out /dev/null/run": "--out /dev/null/run cannot be written",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options_change_nothing(tmp_path, options):
    with pytest.raises(UserError, match=BAD_OPTIONS[options]):
        command.main(["--out", str(tmp_path / "run"), *options.split()])
    assert list(tmp_path.iterdir()) == []


def test_command_line_refuses_in_one_line(tmp_path):
    """A real process: exit status 2, and nothing but the error."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.json").write_text(json.dumps({}))
    done = subprocess.run(
        [sys.executable, "-m", "experiments.oscillators", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: --out {out} already holds a run: choose another directory"
    ]


def test_non_finite_losses_of_all_stop_the_run(tmp_path, monkeypatch):
    """By way of the data: another learning rate would be another program."""

    def draw_data(plane, key, count):
        return np.full((count, 2), np.inf, np.float32)

    monkeypatch.setattr(gaussians, "draw_data", draw_data)
    with pytest.raises(UserError, match="every network went non-finite, the last by"):
        command.main(["--out", str(tmp_path / "run"), *SMALL])
