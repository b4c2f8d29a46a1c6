"""Members that go non-finite: frozen and marked; the others finish."""

import re

import numpy as np
import pytest

from experiments import sample, show
from experiments.command.errors import Interrupted, UserError
from experiments.data.datasets import load_dataset
from experiments.runs.directory import TRAINING, write_run
from experiments.runs.diverged import diverged_in, left_out, sound, sound_ensembles
from experiments.runs.resume import read_checkpoint
from experiments.training.ensemble import Ensemble
from experiments.training.run import run_ensemble
from experiments.training.settings import Settings
from nelc_jax import OneHot, TrajectoryGradient

from ..brief import assert_same
from ..synthetic import synthetic_run
from .breaking import Breaking

pytestmark = pytest.mark.usefixtures("short")

SETTINGS = Settings(
    models=6,
    epochs=5,
    steps_per_epoch=3,
    batch_first=4,
    batch_last=12,
    save_every=1,
    members_at_once=2,
)
"""The mini-batches are of 4, 6, 8, 10 and 12 points: some break in the third epoch."""
RULE = Breaking(OneHot(3), TrajectoryGradient(chain_length=4))
LOST = np.array([False, True, True, True, False, False])
"""One of the first group of two, both of the second, none of the third."""


@pytest.fixture(scope="module")
def dataset(points):
    return load_dataset(str(points))


@pytest.fixture(scope="module")
def finished(dataset, short, tmp_path_factory):
    """A run of which some models have gone non-finite."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, run_ensemble(dataset, out, SETTINGS, RULE)


def test_the_others_finish(finished):
    """The last models of a frozen one are marked, and its history ends before."""
    _, run = finished
    np.testing.assert_array_equal(diverged_in(run), np.where(LOST, 3, 0))
    assert all(np.isfinite(run.arrays[name]).all() for name in ("w", "w_bar"))
    for name in ("log_likelihood", "batch_log_likelihood", "relaxation_time"):
        epochs, found = run.over_epochs(name)
        np.testing.assert_array_equal(epochs, np.arange(1, 6))
        expected = np.ones((6, 5), bool)
        expected[LOST, 2:] = False
        np.testing.assert_array_equal(np.isfinite(found), expected, name)


def test_it_stays_at_the_beginning_of_its_last_epoch(dataset, finished):
    """Also where the mini-batches that broke it are over."""
    members = Ensemble(0, np.arange(2), 2, RULE, dataset.x)
    states = []
    for epoch, size in enumerate((4, 6, 8, 10, 12), start=1):
        members.epoch(epoch, np.full(3, size))
        states.append(members.states())
    for name, second in states[1].items():
        np.testing.assert_array_equal(states[-1][name][1], second[1], name)
    np.testing.assert_array_equal(states[-1]["state.step"], [15, 6])
    np.testing.assert_array_equal(members.diverged_in(5, 3), [0, 3])
    w = "state.model.parameters.w"
    np.testing.assert_array_equal(finished[1].arrays["w"][:2], states[-1][w])


def test_the_run_goes_on_from_what_was_saved(dataset, finished, tmp_path, stop_after):
    out = tmp_path / "run"
    stop_after(4)
    with pytest.raises(Interrupted, match="stopped by SIGINT after epoch 4"):
        run_ensemble(dataset, out, SETTINGS, RULE)
    (file,) = (out / TRAINING).glob("*.safetensors")
    states = read_checkpoint(file).states.values()
    assert all(np.isfinite(array).all() for array in states if array.dtype.kind == "f")
    trained = stop_after()
    run_ensemble(dataset, out, SETTINGS, RULE, resume=True)
    assert_same(out, finished[0])
    # Nothing is computed of a group that is lost.
    lost = [epoch for numbers, epoch in trained if numbers == [2, 3]]
    assert lost == [1, 2, 3]


def test_a_run_stops_when_all_are_lost(dataset, tmp_path, monkeypatch, capsys):
    """By way of what the ensemble says: another rule would be another program."""

    def all_in_the_third(self, epochs, steps_per_epoch):
        return np.full(2, 3 if epochs > 2 else 0)

    monkeypatch.setattr(Ensemble, "diverged_in", all_in_the_third)
    out = tmp_path / "run"
    words = "training: all 2 models went non-finite, the last in epoch 3: begin another"
    two = Settings(**{**vars(SETTINGS), "models": 2})
    with pytest.raises(UserError, match=words):
        run_ensemble(dataset, out, two, RULE)
    words = "models 0, 1 went non-finite in epoch 3: frozen as before it"
    assert words in capsys.readouterr().err
    (file,) = (out / TRAINING).glob("*.safetensors")
    assert read_checkpoint(file).epoch == 2


def some_lost():
    run = synthetic_run(models=5)
    run.models["diverged_in"] = np.array([0, 2, 0, 0, 4])
    return run


def test_what_is_made_of_such_a_run(tmp_path, blank):
    run = some_lost()
    # The best of all was lost, and is not the best.
    run.models["log_likelihood"][4] = 0
    out = tmp_path / "some"
    out.mkdir()
    write_run(out, run)
    show.main([str(out)])
    text = (out / "report.html").read_text()
    assert "2 of 5 models went non-finite in training and are left out" in text
    assert text.count('<tr class="diverged"') == 2
    assert "Grey crosses: models that went non-finite" in text
    assert re.search(r"[0-3] of 3</span>", text)
    assert "nats, model 4" not in text
    options = ["--samples", "4", "--steps", "3"]
    sample.main([str(out), *options])
    assert '"model": 4' not in (out / "samples" / "config.json").read_text()
    sample.main([str(out), "--model", "4", *options])
    assert '"model": 4' in (out / "samples" / "config.json").read_text()


def test_statistics_are_over_the_others():
    run = some_lost()
    whole = synthetic_run(models=5)
    assert sound(whole) is whole
    assert left_out(whole) == ""
    kept = sound(run)
    np.testing.assert_array_equal(kept.models["model"], [0, 2, 3])
    for name, array in run.arrays.items():
        np.testing.assert_array_equal(kept.arrays[name], array[[0, 2, 3]])
    _, values = run.over_epochs("log_likelihood")
    epochs, found = kept.over_epochs("log_likelihood")
    np.testing.assert_array_equal(epochs, np.arange(1, 7))
    np.testing.assert_array_equal(found, values[[0, 2, 3]])
    groups, lines = sound_ensembles({"a": [run, run], "b": [whole]})
    assert [len(each.models["model"]) for each in groups["a"]] == [3, 3]
    assert lines == [
        "a: 4 of 10 models went non-finite in training and are left out of every "
        "statistic."
    ]
