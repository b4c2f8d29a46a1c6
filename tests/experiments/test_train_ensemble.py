"""The whole command: from data to report, member by member the same."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import train_ensemble
from experiments.command.errors import UserError, reports_user_errors
from experiments.runs.directory import load_run
from experiments.runs.progress import HISTORY_COLUMNS
from experiments.training import measure

from . import brief

SMALL = (
    "--models 3 --units 3 --epochs 3 --steps-per-epoch 5 --chain-length 8 "
    "--batch-first 4 --batch-last 16"
)
AVERAGED = "--models 1 --latent binary --estimator averaged --horizon 0 --score exact"


@pytest.fixture(scope="module", autouse=True)
def short_measurements():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "FINAL_SAMPLES", 256)
        patch.setattr(measure, "HISTORY_DRAWS", 64)
        patch.setattr(measure, "COUNTED_STEPS", 500)
        yield


@pytest.fixture
def trained_alone(monkeypatch):
    """Runs of which the parameters and the history are looked at."""
    brief.shorten(monkeypatch.setattr)


def run(points, out, *options):
    train_ensemble.main(arguments(points, out, *options))
    return load_run(out)


def arguments(points, out, *options):
    return ["--out", str(out), "--dataset", str(points), *SMALL.split(), *options]


@pytest.fixture(scope="module")
def three(points, tmp_path_factory, short_measurements):
    """A directory with three models of the small settings, trained together."""
    out = tmp_path_factory.mktemp("runs") / "three"
    run(points, out)
    return out


def test_the_whole_run(three):
    assert_whole(three, "onehot", num_models=3, num_states=3, counted=500)
    header = (three / "history.csv").read_text().splitlines()[0]
    assert header == ",".join(HISTORY_COLUMNS)
    # The order in which the page explains them.
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    table = page.partition("| In `history.csv` |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows == list(HISTORY_COLUMNS)


def assert_whole(out, latent, num_models, num_states, counted):
    """All results of a run, with finite numbers of a plausible size."""
    result = load_run(out)
    assert result.config["latent"] == latent
    assert result.config["models"] == num_models
    assert result.config["num_points"] == 60
    assert len(result.history["epoch"]) == 3 * num_models
    kernels = result.arrays["latent_kernel"]
    assert kernels.shape == (num_models, num_states, num_states)
    np.testing.assert_allclose(result.arrays["occupancy"].sum(1), 1, rtol=1e-5)
    pairs = result.arrays["transition_counts"].sum(axis=(1, 2))
    assert pairs.tolist() == [counted - 1] * num_models
    models = result.models
    # A class that no latent state has yet makes the divergence infinite, never nan.
    assert (models.pop("kl_divergence") >= 0).all()
    assert (models.pop("kl_divergence_error") >= 0).all()
    for name, values in models.items():
        assert np.isfinite(values).all(), name
    # Nine pixels cannot be worse than nine fair coins once anything is learned.
    assert (models["log_likelihood"] > -9 * np.log(2)).all()
    assert (models["entropy_production_rate"] >= 0).all()
    names = {path.suffix for path in (out / "figures").iterdir()}
    assert names == {".png", ".pdf"}
    shown = (out / "report.html").read_text().count("data:image/png;base64,")
    # Two of the best, two of the worst if it is another, and two of all.
    assert shown == 4 + 2 * (num_models > 1)


def test_member_does_not_depend_on_the_ensemble(points, tmp_path, three, trained_alone):
    three = load_run(three)
    one = run(points, tmp_path / "one", "--models", "1")
    np.testing.assert_allclose(
        one.arrays["w"][0], three.arrays["w"][0], rtol=1e-4, atol=1e-4
    )
    assert np.abs(three.arrays["w"][1:] - one.arrays["w"]).max() > 0.1
    other = run(points, tmp_path / "other", "--models", "1", "--seed", "1")
    assert np.abs(other.arrays["w"] - one.arrays["w"]).max() > 0.1


def test_groups_of_members_are_the_same_members(points, tmp_path, three, trained_alone):
    together = load_run(three)
    in_turn = run(points, tmp_path / "in_turn", "--members-at-once", "2")
    assert in_turn.models["model"].tolist() == [0, 1, 2]
    for name in ("epoch", "model"):
        np.testing.assert_array_equal(in_turn.history[name], together.history[name])
    np.testing.assert_allclose(
        in_turn.arrays["w"], together.arrays["w"], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        in_turn.history["log_likelihood"], together.history["log_likelihood"], rtol=1e-4
    )


BAD_OPTIONS = {
    "--horizon 0": "--horizon 0: the sum over all double steps needs --estimator",
    "--resume": "run holds no run to go on with: leave --resume away to begin one",
    "--seed -1": "--seed -1: expected 0 or more",
    "--batch-last 61": "60 points to train on, fewer than .* of 61",
    "--batch-first 17": "--batch-first 17 exceeds --batch-last 16",
    "--out /dev/null/run": "--out /dev/null/run cannot be written",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options_change_nothing(points, tmp_path, options):
    with pytest.raises(UserError, match=BAD_OPTIONS[options]):
        run(points, tmp_path / "run", *options.split())
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_its_own(points, tmp_path, cache, capsys):
    """Exit status 0 with results; 2 with one line for bad input."""
    begin = arguments(points, tmp_path / "run", *AVERAGED.split())
    done = subprocess.run(
        [sys.executable, "-m", "experiments.train_ensemble", *begin],
        env=os.environ | cache,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("best log-likelihood")
    # Nothing is shorter here: as many transitions as users have.
    assert_whole(tmp_path / "run", "binary", 1, 8, counted=100_000)

    def status(*options):
        with pytest.raises(SystemExit) as left:
            reports_user_errors(train_ensemble.main)(list(options))
        return left.value.code

    assert status(*begin) == 2
    assert capsys.readouterr().err == (
        f"error: --out {tmp_path / 'run'} already holds a run: choose another "
        "directory\n"
    )
    assert status("--out", str(tmp_path / "other"), "--models", "many") == 2
    assert status("--help") == 0
    assert "--learning-rate" in capsys.readouterr().out
