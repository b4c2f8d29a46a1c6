"""Runs that were stopped, or failed, and went on: the same results, bit for bit."""

import errno
import itertools
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest

from experiments import train_ensemble
from experiments.command.errors import Interrupted, UserError
from experiments.command.signals import NOTICED
from experiments.runs import directory as run_directory
from experiments.runs.directory import load_run
from experiments.runs.files import is_leftover, read_table, write_text
from experiments.runs.groups import history_of, state_files
from experiments.runs.lock import locked
from experiments.runs.resume import read_checkpoint
from experiments.training.ensemble import Ensemble
from nelc_jax import ensemble, load
from nelc_jax.ensemble import member_mesh

from .. import brief
from ..brief import assert_same, begin, contents, resume, stopped
from ..killed import Kill

pytestmark = pytest.mark.usefixtures("short")


def assert_close(one, other):
    """The same random numbers; sums of another order in the last bits."""
    one, other = load_run(one), load_run(other)
    for name, array in one.arrays.items():
        np.testing.assert_allclose(array, other.arrays[name], 1e-4, 1e-4, err_msg=name)
    for name in ("epoch", "model", "log_likelihood"):
        np.testing.assert_allclose(one.history[name], other.history[name], rtol=1e-4)


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


@pytest.fixture
def one_device(monkeypatch):
    def mesh(size):
        return member_mesh(size, jax.local_devices()[:1])

    monkeypatch.setattr(ensemble, "member_mesh", mesh)


def files(out):
    """The states in a directory, each with its history, and nothing else."""
    states = state_files(out)
    both = {*states, *map(history_of, states)}
    assert set((out / run_directory.TRAINING).iterdir()) == both
    return {path.name for path in states}


IN_TWO = {"models-0-1.safetensors", "models-2-2.safetensors"}


def test_finished_groups_are_not_trained_again(
    points, tmp_path, unbroken, stop_after, one_device
):
    groups = ("--members-at-once", "2")
    whole = begin(points, tmp_path / "whole", *groups)
    assert_close(whole, unbroken)
    out = stopped(points, tmp_path / "run", stop_after, *groups, count=7)
    assert files(out) == IN_TWO
    trained = stop_after()
    resume(out)
    assert trained == [([2], 4)]
    assert_same(out, whole)


def test_other_groups_and_devices(points, tmp_path, unbroken, stop_after, request):
    apart, together = tmp_path / "apart", tmp_path / "together"
    stopped(points, apart, stop_after)
    assert files(apart) == {"models-0-2.safetensors"}
    stop_after(2)
    request.getfixturevalue("one_device")
    with pytest.raises(Interrupted):
        resume(apart, "--members-at-once", "2")
    assert files(apart) == IN_TWO
    shutil.copytree(apart, together)
    trained = stop_after()
    resume(apart)
    assert trained == []
    assert_close(apart, unbroken)
    # Those that are equally far train together again.
    resume(together, "--members-at-once", "3", "--epochs", "4")
    assert files(together) == {"models-0-2.safetensors"}
    assert trained == []
    assert_same(together, apart)


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


def test_killed_at_any_rename_old_work_is_not_taken_for_new(unbroken, tmp_path):
    """Of a finished run to which epochs are added, and of which `show` makes a report.

    What can be read is all of it of the old epochs, or all of it of the new ones.
    """
    longer = tmp_path / "longer"
    shutil.copytree(unbroken, longer)
    resume(longer, "--epochs", "6")
    seen = []
    for out, dead in killed_copies(unbroken, tmp_path):
        with dead:
            resume(out, "--epochs", "6")
        try:
            run = load_run(out)
        except ValueError as error:
            seen.append(str(error))
            with pytest.raises(ValueError, match="is not as it was finished"):
                load(out)
        else:
            seen.append(run.config["epochs"])
            assert_same(out, {4: unbroken, 6: longer}[run.config["epochs"]])
            # That of the old epochs is not left beside the new ones.
            report = out / run_directory.REPORT
            assert not (report.exists() and dead.done) or run.config["epochs"] == 4
            write_text(report, "as show makes it")
        resume(out)
        if load_run(out).config["epochs"] == 4:
            # Nothing of the new epochs was saved yet.
            assert seen == [4]
            resume(out, "--epochs", "6")
        assert_same(out, longer)
        assert load_run(out).config["epochs"] == 6
    assert {4, 6} < set(seen)
    assert any("history.csv is another" in str(reason) for reason in seen)


def killed_copies(finished, tmp_path):
    """Copies of a run, each with what kills at one rename more, until none is left."""
    for count in itertools.count():
        out = tmp_path / f"killed-{count}"
        shutil.copytree(finished, out)
        dead = Kill(count)
        yield out, dead
        if not dead.done:
            return


FAILURES = {"fsync": errno.ENOSPC, "replace": errno.EIO}


@pytest.mark.parametrize("call", FAILURES)
def test_a_failed_write_loses_nothing(points, tmp_path, unbroken, monkeypatch, call):
    out = tmp_path / "run"
    begun = []
    number = FAILURES[call]
    real, words = getattr(os, call), os.strerror(number)

    def fails(*arguments, **named):
        begun.append(arguments)
        # The settings; the history and the state of epoch 2; not those of epoch 4.
        if len(begun) > 3:
            raise OSError(number, words)
        return real(*arguments, **named)

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(UserError, match=rf"--out .* cannot be written \({words}\)"):
        begin(points, out)
    monkeypatch.undo()
    (file,) = state_files(out)
    assert read_checkpoint(file).epoch == 2
    resume(out)
    assert_same(out, unbroken)


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


def test_the_history_of_groups_is_all_there_before_the_end(
    points, tmp_path, stop_after, one_device
):
    groups = ("--members-at-once", "2")
    out = stopped(points, tmp_path / "run", stop_after, *groups, count=7)
    shown = read_table(out / run_directory.HISTORY)
    assert list(zip(shown["model"], shown["epoch"], strict=True)) == [
        *((model, epoch) for epoch in range(1, 5) for model in (0, 1)),
        *((2, epoch) for epoch in range(1, 4)),
    ]
    # Once more after it was lost.
    (out / run_directory.HISTORY).unlink()
    stop_after(1)
    with pytest.raises(Interrupted):
        resume(out)
    again = read_table(out / run_directory.HISTORY)
    for name, column in shown.items():
        np.testing.assert_array_equal(again[name][: len(column)], column)
    assert len(again["epoch"]) == 12


def test_of_a_long_history_only_new_rows_are_written(points, tmp_path, monkeypatch):
    written = []
    fsync = os.fsync

    def counted(descriptor):
        written.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    begin(points, tmp_path / "run", "--epochs", "40", "--save-every", "1")
    # Settings; a history and a state for each epoch; the results; the report.
    assert len(written) == 1 + 2 * 40 + 4 + 1
    # A state does not grow with the history.
    states = written[2 : 1 + 2 * 40 : 2]
    assert max(states) - min(states) < 100


MOMENT = """
import os

reached, epoch, fsync = [], Ensemble.epoch, os.fsync

def trained(self, number, sizes):
    if number == {epoch}:
        reached.append(number)
        {in_write} or os.kill(os.getpid(), {number})
    return epoch(self, number, sizes)

def written(descriptor):
    # First come the rows of the history, which are added to their file.
    reached and reached.append(0)
    len(reached) > 2 and os.kill(os.getpid(), {number})
    fsync(descriptor)

Ensemble.epoch = trained
if {in_write}:
    os.fsync = written
"""


def test_processes_that_end_early(points, tmp_path, unbroken, cache):
    """SIGTERM and a kill inside the write of a state, one after the other.

    SIGINT ends two processes in `test_distributed`.
    """
    out = tmp_path / "run"

    def ended(number, epoch, *options, in_write=False):
        """The last line of a process that gets a signal in or after an epoch."""
        moment = MOMENT.format(epoch=epoch, number=int(number), in_write=in_write)
        process = brief.start(moment, "--out", out, *options, **cache)
        status = -number if number == signal.SIGKILL else 128 + number
        return brief.finish(process, status)

    data = ("--dataset", points, *brief.OPTIONS.split())
    line = ended(signal.SIGTERM, 2, *data)
    assert line.startswith("stopped by SIGTERM after epoch 2: ")
    ended(signal.SIGKILL, 4, "--resume", in_write=True)
    left = list(filter(is_leftover, (out / run_directory.TRAINING).iterdir()))
    assert len(left) == 1, "no half of a file is left: not killed in the write"
    # As if in the middle of a row: whole ones would be those that are added again.
    history = history_of(state_files(out)[0])
    history.write_bytes(history.read_bytes()[:-1])
    resume(out)
    assert files(out) == {"models-0-2.safetensors"}
    assert_same(out, unbroken)
    # The rows that were added before the kill are not in the history.
    assert read_checkpoint(state_files(out)[0]).epoch == 4
