"""Members that go non-finite: frozen and marked; the others finish."""

import shutil
from dataclasses import replace

import chex
import numpy as np
import pytest

from experiments import sample, show
from experiments.command.errors import Interrupted, UserError
from experiments.data.datasets import load_dataset
from experiments.runs.directory import TRAINING
from experiments.runs.diverged import diverged_in, left_out, sound, sound_ensembles
from experiments.runs.resume import read_checkpoint
from experiments.training import measure
from experiments.training import run as run_module
from experiments.training.ensemble import Ensemble
from experiments.training.run import run_ensemble
from experiments.training.settings import Settings
from nelc_jax import OneHot, TrajectoryGradient

from ..brief import assert_same
from ..synthetic import synthetic_run
from .breaking import Breaking

SETTINGS = Settings(
    models=6, epochs=5, steps_per_epoch=3, batch_first=4, batch_last=12, save_every=1
)
"""The mini-batches are of 4, 6, 8, 10 and 12 points: some break in the third epoch."""
RULE = Breaking(OneHot(3), TrajectoryGradient(chain_length=4))


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


@pytest.fixture(scope="module")
def finished(dataset, short_measurements, tmp_path_factory):
    """A run of which some models have gone non-finite."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, run_ensemble(dataset, out, SETTINGS, RULE)


@pytest.fixture(scope="module")
def lost(finished):
    return diverged_in(finished[1]) > 0


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr(run_module, "save_figures", lambda *_: [])


@pytest.mark.usefixtures("without_figures")
def test_the_others_finish(dataset, finished, lost, tmp_path):
    """As they do where nothing breaks: bit for bit, by a program but for a constant."""
    _, run = finished
    assert 0 < lost.sum() < 6
    np.testing.assert_array_equal(diverged_in(run)[lost], 3)
    whole = Breaking(RULE.latent, RULE.estimator, RULE.optimizer, size=99)
    expected = run_ensemble(dataset, tmp_path / "whole", SETTINGS, whole)
    assert not diverged_in(expected).any()
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(run.arrays[name][~lost], array[~lost], name)
    for name, column in expected.models.items():
        np.testing.assert_array_equal(run.models[name][~lost], column[~lost], name)
    for name in ("log_likelihood", "entropy_production_rate"):
        epochs, found = run.over_epochs(name)
        _, history = expected.over_epochs(name)
        # A frozen model has a history up to the epoch before.
        history[np.ix_(lost, epochs >= 3)] = np.nan
        np.testing.assert_array_equal(found, history, name)


def test_it_stays_at_the_beginning_of_its_last_epoch(dataset, lost):
    """Also where the mini-batches that broke it are over."""
    members = Ensemble(0, np.arange(6), 6, RULE, dataset.x)
    states = []
    for epoch, size in enumerate((4, 6, 8, 10, 12), start=1):
        members.epoch(epoch, np.full(3, size))
        states.append(members.states())
    assert all(np.isfinite(states[-1]["state.model.parameters.w"]).ravel())
    for name, second in states[1].items():
        np.testing.assert_array_equal(states[-1][name][lost], second[lost], name)
    steps = states[-1]["state.step"]
    np.testing.assert_array_equal(steps, np.where(lost, 6, 15))
    np.testing.assert_array_equal(members.diverged_in(5, 3), np.where(lost, 3, 0))


@pytest.mark.usefixtures("without_figures")
def test_the_run_goes_on_from_what_was_saved(dataset, finished, tmp_path, stop_after):
    """Stopped in the epoch after it, and in groups of which one may be lost whole."""
    out = tmp_path / "run"
    stop_after(4)
    with pytest.raises(Interrupted, match="stopped by SIGINT after epoch 4"):
        run_ensemble(dataset, out, SETTINGS, RULE)
    for file in (out / TRAINING).iterdir():
        states = read_checkpoint(file).states.values()
        assert all(np.isfinite(a).all() for a in states if a.dtype.kind == "f")
    stop_after()
    run_ensemble(dataset, out, SETTINGS, RULE, resume=True)
    assert_same(out, finished[0])


@pytest.mark.usefixtures("without_figures")
def test_groups_of_which_one_is_lost(dataset, finished, lost, tmp_path):
    one = replace(SETTINGS, members_at_once=1)
    run = run_ensemble(dataset, tmp_path / "run", one, RULE)
    np.testing.assert_array_equal(diverged_in(run) > 0, lost)
    np.testing.assert_allclose(
        run.models["log_likelihood"], finished[1].models["log_likelihood"], rtol=1e-3
    )


def test_a_run_stops_when_all_are_lost(dataset, tmp_path, capsys):
    out = tmp_path / "run"
    every = Breaking(RULE.latent, RULE.estimator, RULE.optimizer, share=1.0)
    words = "training: all 6 models went non-finite, the last in epoch 3: begin another"
    with pytest.raises(UserError, match=words):
        run_ensemble(dataset, out, SETTINGS, every)
    assert "models 0, 1, 2, 3 and 2 more went non-finite in epoch 3" in (
        capsys.readouterr().err
    )
    (file,) = (out / TRAINING).iterdir()
    assert read_checkpoint(file).epoch == 2


def test_what_is_made_of_such_a_run(finished, lost, tmp_path):
    out = shutil.copytree(finished[0], tmp_path / "run")
    words = f"{lost.sum()} of 6 models went non-finite in training"
    text = (out / "report.html").read_text()
    assert words in text
    assert text.count('<tr class="diverged"') == lost.sum()
    assert "Grey crosses: models that went non-finite" in text
    (out / "report.html").unlink()
    show.main([str(out)])
    assert (out / "report.html").read_text() == text
    number = str(np.flatnonzero(lost)[0])
    options = ["--samples", "4", "--steps", "5"]
    sample.main([str(out), *options])
    sample.main([str(out), "--model", number, *options, "--out", str(tmp_path / "s")])


def test_statistics_are_over_the_others():
    run = synthetic_run(models=5)
    assert sound(run) is run
    assert left_out(run) == ""
    run.models["diverged_in"] = np.array([0, 2, 0, 0, 4])
    kept = sound(run)
    chex.assert_trees_all_equal(kept.models["model"], np.array([0, 2, 3]))
    for name, array in run.arrays.items():
        np.testing.assert_array_equal(kept.arrays[name], array[[0, 2, 3]])
    _, values = run.over_epochs("log_likelihood")
    epochs, found = kept.over_epochs("log_likelihood")
    np.testing.assert_array_equal(epochs, np.arange(1, 7))
    np.testing.assert_array_equal(found, values[[0, 2, 3]])
    groups, lines = sound_ensembles({"a": [run, run], "b": [synthetic_run()]})
    assert [len(each.models["model"]) for each in groups["a"]] == [3, 3]
    assert lines == [
        "a: 4 of 10 models went non-finite in training and are left out of every "
        "statistic."
    ]
