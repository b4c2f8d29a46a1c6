"""`run_ensemble` with what is of others: it trains, goes on, and is reported."""

import shutil
import signal

import chex
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import train_ensemble
from experiments.command.errors import Interrupted, UserError
from experiments.data.datasets import load_dataset
from experiments.runs import directory as run_directory
from experiments.runs.directory import load_run
from experiments.runs.finished import model_of, open_run
from experiments.training import measure
from experiments.training.diagnostics import Diagnostic
from experiments.training.ensemble import Ensemble
from experiments.training.run import run_ensemble
from experiments.training.settings import Settings
from experiments.training.trainers import Cycles
from nelc_jax.likelihood import occupancy_log_prob
from nelc_jax.training import Config

from .at_most_one import AtMostOne

SETTINGS = Settings(
    models=2, epochs=3, steps_per_epoch=3, batch_first=4, batch_last=12, save_every=2
)
RULE = Cycles(AtMostOne(2), Config(chain_length=4))


def rarest(model, summary):
    return summary.occupancy.min()


def first_column(model, summary):
    return model.parameters.w[0].sum() + summary.log_latent_kernel[0, 0]


DIAGNOSTICS = [
    Diagnostic("rarest_state", "", "the smallest occupancy", rarest),
    Diagnostic("first_column", "nats", "a sum without meaning", first_column),
]


@pytest.fixture(scope="module", autouse=True)
def short_measurements():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "FINAL_SAMPLES", 256)
        patch.setattr(measure, "HISTORY_DRAWS", 64)
        patch.setattr(measure, "COUNTED_STEPS", 200)
        yield


@pytest.fixture(scope="module")
def dataset(points):
    return load_dataset(str(points))


def train(dataset, out, **changes):
    given = {"rule": RULE, "diagnostics": DIAGNOSTICS, "seed": 3} | changes
    return run_ensemble(dataset, out, SETTINGS, **given)


@pytest.fixture(scope="module")
def finished(dataset, short_measurements, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, train(dataset, out)


def test_a_latent_space_and_diagnostics_of_others(dataset, finished):
    out, run = finished
    assert run.arrays["latent_kernel"].shape == (2, 3, 3)
    model = model_of(run, 1)
    assert model.latent == AtMostOne(2)
    p_bar = jnp.asarray(run.arrays["occupancy"][1])
    likelihood = occupancy_log_prob(model, p_bar, jnp.asarray(dataset.x)).mean()
    table = load_run(out).models
    np.testing.assert_allclose(table["log_likelihood"][1], likelihood, rtol=1e-4)
    np.testing.assert_allclose(table["rarest_state"], table["min_occupancy"], rtol=1e-5)
    corner = run.arrays["w"][:, 0].sum(1) + run.arrays["log_latent_kernel"][:, 0, 0]
    np.testing.assert_allclose(table["first_column"], corner, rtol=1e-5)
    config = load_run(out).config
    assert config["rule"].startswith("Cycles(latent=AtMostOne(")
    assert "score" not in config


def test_the_report_shows_them(finished):
    report = (finished[0] / run_directory.REPORT).read_text()
    assert report.count("data:image/png;base64,") >= 4
    assert "rarest state" in report


def test_it_goes_on_to_the_same_results(dataset, finished, tmp_path, monkeypatch):
    out = tmp_path / "run"
    epoch = Ensemble.epoch

    def stopped(self, number, sizes):
        if number == 2:
            signal.raise_signal(signal.SIGINT)
        return epoch(self, number, sizes)

    with monkeypatch.context() as patch:
        patch.setattr(Ensemble, "epoch", stopped)
        with pytest.raises(Interrupted, match="call run_ensemble again with resume=T"):
            train(dataset, out)
    run = train(dataset, out, resume=True)
    chex.assert_trees_all_equal(run.arrays, finished[1].arrays)
    chex.assert_trees_all_equal(run.models, finished[1].models)


def test_another_rule_or_diagnostic_is_refused(dataset, finished, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    for changes, words in (
        ({"rule": Cycles(AtMostOne(2), Config(chain_length=5))}, "the rule Cycles"),
        ({"diagnostics": DIAGNOSTICS[:1]}, "the diagnostics"),
        ({"seed": 4}, "--seed 4 is 3"),
    ):
        with pytest.raises(UserError, match=f"^--resume: {words}"):
            train(dataset, out, resume=True, **changes)
    with pytest.raises(UserError, match="already holds a run"):
        train(dataset, out)


def test_the_command_does_not_go_on_with_it(finished):
    with pytest.raises(UserError, match="is not a run of train_ensemble"):
        train_ensemble.main(["--out", str(finished[0]), "--resume"])
    assert "seconds" in open_run(finished[0]).config
