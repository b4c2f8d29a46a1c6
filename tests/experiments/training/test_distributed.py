"""Two real processes on loopback, two devices each, against one process.

One is lost, the other stopped, and both go on: what holds for a run that was not
stopped holds for them.
"""

import signal
import socket

import jax
import numpy as np
import pytest

from experiments import train_ensemble
from experiments.command.errors import UserError
from experiments.runs.directory import load_run

from .. import brief

OPTIONS = (*brief.OPTIONS.split(), "--models", "5", "--epochs", "3")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


LOST = """
import os
import signal
import time
from pathlib import Path

epoch = Ensemble.epoch

def trained(self, number, sizes):
    if number == 3 and os.environ["JAX_PROCESS_ID"] == "0":
        signal.raise_signal(signal.SIGKILL)
    while number == 3 and not Path(os.environ["LOST"]).exists():
        time.sleep(0.1)
    number == 3 and signal.raise_signal(signal.SIGINT)
    return epoch(self, number, sizes)

Ensemble.epoch = trained
"""
"""The first process, which the others found one another by, is lost; the other one is
stopped after that."""


def start_two(change, *options, **environment):
    cluster = {
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}",
        "JAX_NUM_PROCESSES": "2",
    }
    return [
        brief.start(
            change,
            "--distributed",
            *options,
            **environment,
            **cluster,
            JAX_PROCESS_ID=str(number),
        )
        for number in range(2)
    ]


def test_two_processes_that_were_lost_and_stopped_train_the_members_of_one(
    points, tmp_path, short, cache
):
    out, lost = tmp_path / "two", tmp_path / "lost"
    given = ("--out", out, "--dataset", points, *OPTIONS)
    first, other = start_two(LOST, *given, **cache, LOST=str(lost))
    brief.begin(points, tmp_path / "one", *OPTIONS)
    brief.finish(first, -signal.SIGKILL)
    lost.touch()
    assert brief.finish(other, 130) == (
        "stopped by SIGINT after epoch 3: to go on, python -m "
        f"experiments.train_ensemble --resume --distributed --out {out}"
    )
    for process in start_two("", "--out", out, "--resume", **cache):
        brief.finish(process)
    one = load_run(tmp_path / "one")
    two = [load_run(out / f"process-{k}") for k in range(2)]
    numbers = np.concatenate([part.models["model"] for part in two])
    assert sorted(numbers.tolist()) == [0, 1, 2, 3, 4]
    assert all(len(part.models["model"]) > 0 for part in two)
    # The same random numbers; sums of another order in the last bits.
    for name in ("w", "w_bar", "a_bar", "x_mean"):
        joined = np.concatenate([part.arrays[name] for part in two])
        np.testing.assert_allclose(
            joined, one.arrays[name][numbers], rtol=1e-4, atol=1e-4
        )
    for part in two:
        assert part.history["epoch"].max() == 3
        rows = np.isin(one.history["model"], part.models["model"])
        np.testing.assert_allclose(
            part.history["log_likelihood"],
            one.history["log_likelihood"][rows],
            rtol=1e-4,
        )


def test_a_lost_process_is_one_line_where_python_is_told(points, tmp_path, monkeypatch):
    def lost(*_, **__):
        raise jax.errors.JaxRuntimeError("UNAVAILABLE: a peer\nand where in JAX")

    monkeypatch.setattr(train_ensemble, "join_processes", lambda: None)
    monkeypatch.setattr(train_ensemble, "run_ensemble", lost)
    given = ["--out", str(tmp_path / "run"), "--dataset", str(points), "--distributed"]
    with pytest.raises(UserError) as caught:
        train_ensemble.main(given)
    assert str(caught.value) == (
        "--distributed: another process was lost (UNAVAILABLE: a peer): what was saved "
        "before is kept: to go on, python -m experiments.train_ensemble --resume "
        f"--distributed --out {tmp_path / 'run'}"
    )


def test_distributed_without_settings_says_what_is_missing(points, tmp_path):
    out = tmp_path / "alone"
    process = brief.start("", "--out", out, "--dataset", points, "--distributed")
    line = brief.finish(process, 2)
    assert line.startswith("error: --distributed cannot start")
    assert not out.exists()
