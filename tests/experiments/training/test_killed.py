"""Runs that were killed, or could not write, and went on: nothing of them is lost."""

import errno
import itertools
import os
import shutil
import signal

import pytest

from experiments.command.errors import UserError
from experiments.runs import directory as run_directory
from experiments.runs.directory import load_run
from experiments.runs.files import is_leftover, write_text
from experiments.runs.groups import history_of, state_files
from experiments.runs.resume import read_checkpoint
from nelc_jax import load

from .. import brief
from ..brief import assert_same, begin, resume, states_in
from ..killed import Kill

pytestmark = pytest.mark.usefixtures("short")


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
        # The settings, twice; the history and the state of epoch 2; not of epoch 4.
        if len(begun) > 4:
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
    assert states_in(out) == {"models-0-2.safetensors"}
    assert_same(out, unbroken)
    # The rows that were added before the kill are not in the history.
    assert read_checkpoint(state_files(out)[0]).epoch == 4
