import json
import subprocess
import sys

import equinox as eqx
import jax
import numpy as np
import pytest

from experiments import train_ensemble
from experiments.command.errors import UserError
from experiments.runs import directory as run_directory
from experiments.runs.directory import load_run
from experiments.training import ensemble as ensemble_run
from experiments.training import measure
from experiments.training.trainers import Cycles
from nelc_jax import training
from nelc_jax.latent import OneHot
from nelc_jax.training import Config

SMALL = {
    "--models": 3,
    "--units": 3,
    "--epochs": 4,
    "--steps-per-epoch": 5,
    "--chain-length": 8,
    "--batch-first": 4,
    "--batch-last": 16,
}
SMALL = [str(part) for option in SMALL.items() for part in option]


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """Sixty points around three patterns of nine pixels, with their labels."""
    key, noise = jax.random.split(jax.random.key(0))
    labels = np.arange(60) % 3
    patterns = jax.random.bernoulli(key, 0.5, (3, 9))
    flips = jax.random.bernoulli(noise, 0.1, (60, 9))
    path = tmp_path_factory.mktemp("data") / "points.npz"
    np.savez(path, x=np.asarray(patterns)[labels] ^ np.asarray(flips), labels=labels)
    return path


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch):
    monkeypatch.setattr(measure, "FINAL_SAMPLES", 256)
    monkeypatch.setattr(measure, "COUNTED_STEPS", 500)


def run(points, out, *options):
    train_ensemble.main(["--out", str(out), "--dataset", str(points), *SMALL, *options])
    return load_run(out)


@pytest.fixture(scope="module")
def three(points, tmp_path_factory):
    """A directory with three models of the small settings, trained together."""
    out = tmp_path_factory.mktemp("runs") / "three"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "FINAL_SAMPLES", 256)
        patch.setattr(measure, "COUNTED_STEPS", 500)
        run(points, out)
    return out


@pytest.mark.parametrize("latent", ["onehot", "binary"])
def test_the_whole_run(points, tmp_path, three, latent):
    averaged = ("--estimator", "averaged", "--horizon", "0", "--score", "exact")
    out = three if latent == "onehot" else tmp_path / latent
    if latent == "binary":
        run(points, out, "--latent", latent, *averaged)
    result = load_run(out)
    states = 3 if latent == "onehot" else 8
    assert result.config["latent"] == latent
    assert result.config["num_points"] == 60
    assert len(result.history["epoch"]) == 4 * 3
    assert result.arrays["latent_kernel"].shape == (3, states, states)
    np.testing.assert_allclose(result.arrays["occupancy"].sum(1), 1, rtol=1e-5)
    assert result.arrays["transition_counts"].sum(axis=(1, 2)).tolist() == [499] * 3
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
    assert (out / "report.html").read_text().count("data:image/png;base64,") >= 4


def test_member_does_not_depend_on_the_ensemble(points, tmp_path, three):
    three = load_run(three)
    one = run(points, tmp_path / "one", "--models", "1")
    np.testing.assert_allclose(
        one.arrays["w"][0], three.arrays["w"][0], rtol=1e-4, atol=1e-4
    )
    assert np.abs(three.arrays["w"][1:] - one.arrays["w"]).max() > 0.1
    other = run(points, tmp_path / "other", "--models", "1", "--seed", "1")
    assert np.abs(other.arrays["w"] - one.arrays["w"]).max() > 0.1


def test_groups_of_members_are_the_same_members(points, tmp_path, three):
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
    "--horizon 0": "--horizon 0: horizon=None: expected a trace below 1",
    "--horizon -1 --estimator averaged": "--horizon -1: horizon=-1: expected at least",
    "--members-at-once 0": "--members-at-once 0: expected a positive number",
    "--models 0": "--models 0: expected a positive number",
    "--units -1": "--units -1: expected a positive number",
    "--epochs 0": "--epochs 0: expected",
    "--save-every 0": "--save-every 0: expected a positive number",
    "--resume": "run holds no run to go on with: leave --resume away to begin one",
    "--learning-rate 0": "--learning-rate 0.0: expected",
    "--learning-rate nan": "--learning-rate nan: expected",
    "--decay 1": "--decay 1.0: expected 0 <= decay < 1",
    "--seed -1": "--seed -1: expected 0 or more",
    "--batch-last 61": "60 points, fewer than --batch-last 61",
    "--batch-first 17": "--batch-first 17 exceeds --batch-last 16",
    "--latent binary --units 9": "512 latent states",
    "--dataset nothing": "--dataset nothing is unknown",
    "--out /dev/null/run": "--out /dev/null/run cannot be written",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options_change_nothing(points, tmp_path, options):
    with pytest.raises(UserError, match=BAD_OPTIONS[options].replace("(", r"\(")):
        run(points, tmp_path / "run", *options.split())
    assert list(tmp_path.iterdir()) == []


def test_non_finite_numbers_stop_the_run_and_keep_what_was_saved(
    points, tmp_path, monkeypatch, request
):
    real_train = training.train

    def broken(config, state, x, batch_sizes):
        state, info = real_train(config, state, x, batch_sizes)
        # From step 12 on (the second step of the third epoch) the middle model breaks.
        first = state.step - len(batch_sizes)
        steps = first + np.arange(len(batch_sizes)) + 1
        is_middle = (state.key == middle_key).all()
        bad = (steps >= 12) & is_middle
        return state, eqx.tree_at(lambda i: i.finite, info, info.finite & ~bad)

    members = ensemble_run.Ensemble(
        0,
        np.arange(3),
        3,
        Cycles(OneHot(3), Config(8)),
        np.load(points)["x"],
        0.1,
    )
    middle_key = members._states.key[1]
    monkeypatch.setattr(training, "train", broken)
    # Compiled programs outlive the patch, in both directions.
    ensemble_run._epoch.clear_cache()
    request.addfinalizer(ensemble_run._epoch.clear_cache)
    out = tmp_path / "run"
    with pytest.raises(UserError, match="model 1 went non-finite at gradient step 12"):
        run(points, out, "--save-every", "2")
    saved = run_directory._read_table(out / run_directory.HISTORY)
    assert saved["epoch"].max() == 2
    assert (out / run_directory.TRAINING / "models-0-2.safetensors").is_file()
    assert not (out / run_directory.MODELS).exists()


def test_command_line(points, tmp_path):
    """A real process: exit status 0 with results, 2 with one line for bad input."""

    def command(*options):
        return subprocess.run(
            [sys.executable, "-m", "experiments.train_ensemble", *options],
            capture_output=True,
            text=True,
            timeout=300,
        )

    out = tmp_path / "run"
    done = command("--out", str(out), "--dataset", str(points), *SMALL)
    assert done.returncode == 0, done.stderr
    assert "best log-likelihood" in done.stdout
    assert json.loads((out / "config.json").read_text())["models"] == 3
    again = command("--out", str(out), "--dataset", str(points), *SMALL)
    assert again.returncode == 2
    assert again.stderr.splitlines() == [
        f"error: --out {out} already holds a run: choose another directory"
    ]
    assert command("--out", str(out), "--models", "many").returncode == 2
    helped = command("--help")
    assert helped.returncode == 0
    assert "--learning-rate" in helped.stdout
