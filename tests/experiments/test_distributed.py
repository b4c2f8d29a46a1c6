"""Two real processes on loopback, two devices each, against one process.

They are stopped and go on: what holds for a run that was not stopped holds for them.
"""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from experiments.runs.directory import load_run

OPTIONS = (
    "--models 5 --units 2 --epochs 3 --steps-per-epoch 4 --chain-length 8 "
    "--batch-first 4 --batch-last 8"
)


@pytest.fixture
def points(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "points.npz"
    np.savez(path, x=rng.random((40, 9)) < 0.4, labels=np.arange(40) % 2)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(out, *options, stopped_in=None, **environment):
    # Two devices a process, whatever the number of cores, and short measurements.
    program = f"""
import signal
import jax
jax.config.update("jax_num_cpu_devices", 2)
from experiments.training import measure
measure.FINAL_SAMPLES = 64
measure.COUNTED_STEPS = 100
from experiments.training.ensemble import Ensemble
from experiments.command.errors import reports_user_errors
from experiments.train_ensemble import main
epoch = Ensemble.epoch

def trained(self, number, sizes):
    number == {stopped_in} and signal.raise_signal(signal.SIGINT)
    return epoch(self, number, sizes)

Ensemble.epoch = trained
reports_user_errors(main)()
"""
    return subprocess.Popen(
        [sys.executable, "-c", program, "--out", str(out), *options],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes, status=0):
    """The last lines of processes that must end with the same status."""
    lines = []
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == status, errors
        lines.append(errors.splitlines()[-1:])
    return lines


def start_two(out, *options, **named):
    # What was compiled before the stop is not compiled again after it.
    cluster = {
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}",
        "JAX_NUM_PROCESSES": "2",
        "JAX_COMPILATION_CACHE_DIR": str(out.parent / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return [
        start(
            out,
            "--distributed",
            *options,
            JAX_PROCESS_ID=str(k),
            **cluster,
            **named,
        )
        for k in range(2)
    ]


def test_two_processes_that_were_stopped_train_the_members_of_one(points, tmp_path):
    begin = ("--dataset", str(points), *OPTIONS.split())
    finish(start(tmp_path / "one", *begin))
    out = tmp_path / "two"
    lines = finish(*start_two(out, *begin, stopped_in=2), status=130)
    line = (
        "stopped by SIGINT after epoch 2: to go on, python -m "
        f"experiments.train_ensemble --resume --distributed --out {out}"
    )
    assert lines == [[line], [line]]
    finish(*start_two(out, "--resume"))
    one = load_run(tmp_path / "one")
    two = [load_run(out / f"process-{k}") for k in range(2)]
    numbers = np.concatenate([part.models["model"] for part in two])
    assert sorted(numbers.tolist()) == [0, 1, 2, 3, 4]
    assert all(len(part.models["model"]) > 0 for part in two)
    # The same random numbers; sums of another order in the last bits.
    for name in ("w", "w_bar", "a_bar", "latent_kernel"):
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


def test_distributed_without_settings_says_what_is_missing(points, tmp_path):
    process = start(tmp_path / "alone", "--dataset", str(points), "--distributed")
    ((line,),) = finish(process, status=2)
    assert line.startswith("error: --distributed cannot start")
    assert not (tmp_path / "alone").exists()
