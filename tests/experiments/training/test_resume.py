"""Runs that were stopped and went on: the same results, bit for bit."""

import dataclasses
import json
import os
import re
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments import train_ensemble
from experiments.command.errors import Interrupted, UserError
from experiments.command.settings_file import SETTINGS
from experiments.command.signals import NOTICED
from experiments.data.datasets import load_dataset
from experiments.runs import directory as run_directory
from experiments.runs.directory import load_run
from experiments.runs.files import read_table
from experiments.runs.groups import state_files
from experiments.runs.lock import locked
from experiments.runs.resume import read_checkpoint
from experiments.training.ensemble import Ensemble
from experiments.training.run import run_ensemble
from experiments.training.settings import Settings
from nelc_jax import load

from ..brief import assert_same, begin, contents, resume, stopped

pytestmark = pytest.mark.usefixtures("short")


@pytest.mark.parametrize("number", NOTICED)
def test_a_stopped_run_goes_on_to_the_same_results(
    points, tmp_path, unbroken, stop_after, number
):
    out = tmp_path / "run"
    stop_after(3, number)
    with pytest.raises(Interrupted) as caught:
        begin(points, out)
    assert caught.value.number == number
    assert str(caught.value) == (
        f"stopped by {number.name} after epoch 3: to go on, python -m "
        f"experiments.train_ensemble --resume --out {out}"
    )
    assert not (out / run_directory.MODELS).exists()
    with pytest.raises(UserError, match="not finished: go on with --resume, or choose"):
        begin(points, out)
    with pytest.raises(ValueError, match="has a state of training, from which a run"):
        load(state_files(out)[0])
    trained = stop_after()
    resume(out)
    assert trained == [([0, 1, 2], 4)]
    assert_same(out, unbroken)


def test_states_are_saved_at_the_chosen_interval(points, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    epoch = Ensemble.epoch

    def killed_in(last):
        def trained(self, number, sizes):
            if number == last:
                raise Killed
            return epoch(self, number, sizes)

        monkeypatch.setattr(Ensemble, "epoch", trained)

    out = tmp_path / "run"
    killed_in(2)
    with pytest.raises(Killed):
        begin(points, out)
    assert not (out / run_directory.TRAINING).exists()
    killed_in(4)
    with pytest.raises(Killed):
        resume(out)
    (file,) = state_files(out)
    assert read_checkpoint(file).epoch == 2
    assert set(read_table(out / "history.csv")["epoch"]) == {1, 2}


def test_a_finished_run_is_left_alone(unbroken, capsys):
    before = contents(unbroken)
    resume(unbroken)
    resume(unbroken, "--epochs", "4", "--members-at-once", "1")
    assert capsys.readouterr().out.count("is finished: all 4 epochs are done") == 2
    assert contents(unbroken) == before


def test_lost_results_are_made_again_without_training(unbroken, tmp_path, stop_after):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    (out / run_directory.REPORT).unlink()
    (out / run_directory.MODELS).unlink()
    trained = stop_after()
    resume(out)
    assert trained == []
    assert_same(out, unbroken)


def test_a_run_from_the_settings_of_another_is_the_same(
    points, tmp_path, unbroken, capsys
):
    settings, again = unbroken / SETTINGS, tmp_path / "again"
    given = ["--config", str(settings), "--out", str(again)]
    train_ensemble.main([*given, "--dry-run"])
    assert list(tmp_path.iterdir()) == []
    plan, seconds, memory = capsys.readouterr().out.splitlines()
    assert plan.startswith(
        "3 models of 2 latent units (onehot) on the 60 points of 9 bits of points.npz: "
        "4 epochs of 3 gradient steps, mini-batches of 4 to 12 points, chains of 4 "
        "double steps, on "
    )
    assert re.match(r"about \d+ s: compiling \d+ s, training \d+ s \(", seconds)
    assert re.match(r"about [\d.]+ [MG]iB of memory", memory)
    train_ensemble.main(given)
    assert_same(again, unbroken)
    assert (again / SETTINGS).read_bytes() == settings.read_bytes()
    # The file stays that of how the run was begun; its settings are given now.
    train_ensemble.main([*given, "--resume", "--epochs", "5"])
    assert (again / SETTINGS).read_bytes() == settings.read_bytes()
    with pytest.raises(AssertionError, match=r"history\.csv"):
        assert_same(again, unbroken)
    with pytest.raises(UserError, match=r"--epochs 4: .* epochs can only be added"):
        train_ensemble.main([*given, "--resume"])


def test_a_callback_is_told_of_every_epoch_and_may_end_the_run(
    points, tmp_path, unbroken
):
    read = load_run(unbroken)
    names = [field.name for field in dataclasses.fields(Settings)]
    settings = Settings(**{name: read.config[name] for name in names})
    seen, out = [], tmp_path / "run"

    def until(last):
        def on_epoch(row):
            seen.append(row)
            return row["epoch"][0] == last

        return on_epoch

    def train(on_epoch, **changes):
        dataset = load_dataset(str(points))
        given = {"on_epoch": on_epoch, "resume": out.exists()}
        return run_ensemble(dataset, out, replace(settings, **changes), **given)

    with pytest.raises(UserError, match="--members-at-once 2: on_epoch is told of all"):
        train(until(3), members_at_once=2)
    # Saved between two epochs that are: what it ends goes on where it was.
    early = train(until(3))
    assert early.config["epochs"] == early.history["epoch"].max() == 3
    assert load_run(out).config["epochs"] == 3
    whole = train(until(None))
    assert whole.config["epochs"] == 4
    assert_same(out, unbroken)
    assert [row["epoch"][0] for row in seen] == [1, 2, 3, 4]
    told = np.concatenate([row["log_likelihood"] for row in seen])
    np.testing.assert_allclose(told, read.history["log_likelihood"], rtol=1e-5)


def test_more_epochs(points, tmp_path, unbroken, stop_after):
    once, twice = tmp_path / "once", tmp_path / "twice"
    shutil.copytree(unbroken, once)
    resume(once, "--epochs", "6")
    before, after = load_run(unbroken).history, load_run(once).history
    for name, column in before.items():
        np.testing.assert_array_equal(after[name][: len(column)], column)
    assert after["epoch"].max() == 6
    config = json.loads((once / run_directory.CONFIG).read_text())
    assert (config["epochs"], config["batch_epochs"]) == (6, 4)
    assert config["command_line"]
    assert config["date"] <= config["resumed"][0]["date"]

    # Until all epochs are done, the results of the old ones stay.
    shutil.copytree(unbroken, twice)
    stop_after(1)
    with pytest.raises(Interrupted):
        resume(twice, "--epochs", "6")
    assert_same(twice, unbroken)
    resume(twice)
    assert_same(twice, once)
    with pytest.raises(UserError, match=r"--epochs 5: .* is a run of 6"):
        resume(twice, "--epochs", "5")


def test_one_process_a_run(unbroken, points):
    before = contents(unbroken)
    with locked(unbroken):
        with pytest.raises(UserError, match="is in use by another process"):
            resume(unbroken)
        with pytest.raises(UserError, match="already holds a run"):
            begin(points, unbroken)
    assert contents(unbroken) == before
    resume(unbroken)


def test_one_of_several_processes(points, tmp_path, unbroken, stop_after, monkeypatch):
    """The first of two, that trains the first three of six models in its own place."""
    monkeypatch.setattr(train_ensemble, "join_processes", lambda: None)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    out = tmp_path / "run"
    stop_after(3)
    with pytest.raises(Interrupted, match=r"--resume --distributed --out .*run$"):
        begin(points, out, "--models", "6", "--distributed")
    resume(out, "--distributed")
    assert_same(out / "process-0", unbroken)
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    with pytest.raises(UserError, match="the number of processes 3 where it has 2"):
        resume(out, "--distributed", "--epochs", "5")
    with pytest.raises(UserError, match="--models 2: 3 processes need one each"):
        begin(points, tmp_path / "few", "--models", "2", "--distributed")


def test_data_are_known_by_their_digest_not_by_their_path(
    points, tmp_path, unbroken, stop_after, monkeypatch
):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    shutil.copy(points, here / "own.npz")
    monkeypatch.chdir(here)
    out = stopped("own.npz", tmp_path / "run", stop_after, count=1)
    # From another directory, where there is no such file.
    monkeypatch.chdir(there)
    stop_after(1)
    with pytest.raises(Interrupted):
        resume(out)
    stop_after()
    # And from where it was moved to, by another name.
    shutil.move(here / "own.npz", there / "moved.npz")
    with pytest.raises(UserError, match=r"--dataset .*own.npz does not exist"):
        resume(out)
    resume(out, "--dataset", "moved.npz")
    assert_same(out, unbroken)


def test_of_a_long_history_only_new_rows_are_written(points, tmp_path, monkeypatch):
    written = []
    fsync = os.fsync

    def counted(descriptor):
        written.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    begin(points, tmp_path / "run", "--epochs", "40", "--save-every", "1")
    # Settings, twice; a history and a state for each epoch; the results; the report.
    assert len(written) == 2 + 2 * 40 + 4 + 1
    # A state does not grow with the history.
    states = written[3 : 2 + 2 * 40 : 2]
    assert max(states) - min(states) < 100
