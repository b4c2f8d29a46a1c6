"""Two real processes on loopback, two devices each, against one process."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from experiments.run_directory import load_run

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


def start(points, out, *options, **environment):
    # Two devices a process, whatever the number of cores, and short measurements.
    program = (
        "import jax; jax.config.update('jax_num_cpu_devices', 2); "
        "from experiments import measure; "
        "measure.FINAL_SAMPLES = 64; measure.COUNTED_STEPS = 100; "
        "from experiments.train_ensemble import main; "
        "from experiments.errors import reports_user_errors; "
        "reports_user_errors(main)()"
    )
    return subprocess.Popen(
        [
            *(sys.executable, "-c", program, "--dataset", str(points)),
            *("--out", str(out), *OPTIONS.split(), *options),
        ],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def test_two_processes_train_the_members_of_one(points, tmp_path):
    finish(start(points, tmp_path / "one"))
    cluster = {
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}",
        "JAX_NUM_PROCESSES": "2",
    }
    finish(
        *(
            start(
                points,
                tmp_path / "two",
                "--distributed",
                JAX_PROCESS_ID=str(k),
                **cluster,
            )
            for k in range(2)
        )
    )
    one = load_run(tmp_path / "one")
    two = [load_run(tmp_path / "two" / f"process-{k}") for k in range(2)]
    numbers = np.concatenate([part.models["model"] for part in two])
    assert sorted(numbers.tolist()) == [0, 1, 2, 3, 4]
    assert all(len(part.models["model"]) > 0 for part in two)
    # The same random numbers; sums of another order in the last bits.
    for name in ("w", "w_bar", "a_bar", "latent_kernel"):
        joined = np.concatenate([part.arrays[name] for part in two])
        np.testing.assert_allclose(
            joined, one.arrays[name][numbers], rtol=1e-4, atol=1e-4
        )


def test_distributed_without_settings_says_what_is_missing(points, tmp_path):
    process = start(points, tmp_path / "alone", "--distributed")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert errors.startswith("error: --distributed cannot start")
    assert not (tmp_path / "alone").exists()
