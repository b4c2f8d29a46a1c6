"""`run_ensemble` with what is of others: it trains, goes on, and is reported."""

import shutil
import signal
from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import train_ensemble
from experiments.command import versions
from experiments.command.errors import Interrupted, UserError
from experiments.data.datasets import load_dataset
from experiments.runs import directory as run_directory
from experiments.runs.directory import load_run
from experiments.runs.finished import model_of, models_of
from experiments.training import measure
from experiments.training import run as run_module
from experiments.training.diagnostics import Diagnostic
from experiments.training.ensemble import Ensemble
from experiments.training.identity import rule_in_words
from experiments.training.run import run_ensemble
from experiments.training.settings import Settings
from nelc_jax import Cycles, OneHot, TrajectoryGradient, load
from nelc_jax.likelihood import occupancy_log_prob

from .. import brief
from .outside.diagnostic import weight_spread
from .outside.estimator import Twice
from .outside.latent import AtMostOne

SETTINGS = Settings(
    models=2, epochs=3, steps_per_epoch=3, batch_first=4, batch_last=12, save_every=2
)
RULE = Cycles(AtMostOne(2), Twice(TrajectoryGradient(chain_length=4)))


DIAGNOSTICS = [
    weight_spread,
    Diagnostic("rarest", "", "the smallest share", lambda m, s: s.occupancy.min()),
]


@pytest.fixture(scope="module", autouse=True)
def short_measurements():
    with pytest.MonkeyPatch.context() as patch:
        brief.blank(patch.setattr)
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
    table = load_run(out, [AtMostOne]).models
    np.testing.assert_allclose(table["log_likelihood"][1], likelihood, rtol=1e-4)
    np.testing.assert_allclose(table["rarest"], table["min_occupancy"], rtol=1e-5)
    spread = run.arrays["w_bar"].std(axis=(1, 2))
    np.testing.assert_allclose(table["weight_spread"], spread, rtol=1e-5)
    config = load_run(out, [AtMostOne]).config
    assert "AtMostOne(" in config["rule"]
    assert "score" not in config
    # One line gives back models that can be sampled from.
    chex.assert_trees_all_equal(load(out, latents=(AtMostOne,)), models_of(run))


def test_the_report_shows_them(finished):
    report = (finished[0] / run_directory.REPORT).read_text()
    assert report.count("data:image/png;base64,") >= 4
    for diagnostic in DIAGNOSTICS:
        assert diagnostic.name.replace("_", " ") in report
        assert diagnostic.meaning in report


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
    # Once more: it is finished, and read.
    chex.assert_trees_all_equal(train(dataset, out, resume=True).arrays, run.arrays)


def test_another_rule_or_diagnostic_is_refused(dataset, finished, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    for changes, words in (
        (
            {"rule": Cycles(AtMostOne(2), TrajectoryGradient(chain_length=4))},
            "the rule Cycles",
        ),
        ({"diagnostics": DIAGNOSTICS[:1]}, "the diagnostics"),
        ({"seed": 4}, "--seed 4 where it has 3"),
    ):
        with pytest.raises(UserError, match=f"is another: {words}"):
            train(dataset, out, resume=True, **changes)
    with pytest.raises(UserError, match="already holds a run"):
        train(dataset, out)


@pytest.fixture
def untrained(monkeypatch):
    """Runs that end before they train."""

    def end(job, checkpoints):
        raise Interrupted("here", 2)

    monkeypatch.setattr(run_module, "train_job", end)


def decaying(rate):
    """An optimiser whose numbers are in a function: its words are always the same."""
    return optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(lambda s: -rate))


def test_other_numbers_inside_of_an_optimiser_are_refused(
    dataset, tmp_path, untrained, monkeypatch
):
    def ends(optimizer, resume=True):
        rule = Cycles(OneHot(2), optimizer=optimizer)
        with pytest.raises((Interrupted, UserError)) as caught:
            train(dataset, tmp_path / "run", rule=rule, resume=resume)
        return str(caught.value)

    assert ends(decaying(0.1), resume=False) == "here"
    assert ends(decaying(0.1)) == "here"
    # Not a test of words: these are the same.
    assert rule_in_words(decaying(0.1)) == rule_in_words(decaying(0.2))
    assert "the program of the optimiser" in ends(decaying(0.2))
    # Another version of JAX may write the same program in other words.
    now = versions.installed()
    monkeypatch.setattr(versions, "installed", lambda: now | {"jax": "0.99"})
    assert ends(decaying(0.2)) == "here"


def test_double_precision_and_strict_types(dataset, tmp_path):
    """Settings of JAX that a user has for the rest of her work."""
    settings = replace(SETTINGS, epochs=1, units=2)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        run = run_ensemble(dataset, tmp_path / "run", settings)
    assert run.arrays["w"].dtype == np.float32
    for name in ("log_likelihood", "entropy_production_rate"):
        assert np.isfinite(run.models[name]).all()
    # Infinite: two states cannot have three classes.
    assert (run.models["kl_divergence"] > 0).all()


def test_the_command_does_not_go_on_with_it(finished):
    with pytest.raises(UserError, match="is not a run of train_ensemble"):
        train_ensemble.main(["--out", str(finished[0]), "--resume"])
