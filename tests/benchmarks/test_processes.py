"""The processes in which the peers are timed."""

import os
from functools import partial

import pytest

from benchmarks.peers import processes


def test_processes():
    """Results in order, from as many processes, with the threads asked for."""
    before = dict(os.environ)
    # `partial` as preparation: its arguments are the work.
    work = [(os.getenv, "OMP_NUM_THREADS"), (os.getpid,), (os.getpid,)]
    seconds, (threads, *pids) = processes.run(partial, work, num_threads=3)
    assert seconds > 0
    assert threads == "3"
    assert len({os.getpid(), *pids}) == 3
    assert dict(os.environ) == before


@pytest.mark.parametrize("work", [(), (int, "no number")], ids=["prepare", "work"])
def test_failing_process(work, capfd):
    """A failure of preparation or work ends the waiting process and is reported."""
    with pytest.raises(RuntimeError, match="peer"):
        processes.run(partial, [(os.getpid,), work])
    assert "Traceback" in capfd.readouterr().err
