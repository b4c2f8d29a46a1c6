"""Other platforms than this one: names that they lack, devices that they have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.command import devices as devices_module

ROOT = Path(__file__).parents[3]
PLATFORM = ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS", "JAX_PLATFORMS")


def run(program, *options, **environment):
    """A Python process in an environment that says no more of devices than this."""
    inherited = {k: value for k, value in os.environ.items() if k not in PLATFORM}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, options)],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


COUNT = """
from experiments.command.devices import use_all_cores
use_all_cores()
import jax
print(jax.device_count())
"""
ELSEWHERE = """
import os
for name in ("sched_getaffinity", "process_cpu_count"):
    if hasattr(os, name):
        delattr(os, name)
os.cpu_count = lambda: {cores}
"""
FORCED = "--xla_force_host_platform_device_count=3"


@pytest.mark.parametrize(
    ("before", "environment", "devices"),
    [
        ("", {}, len(os.sched_getaffinity(0))),
        ("", {"JAX_NUM_CPU_DEVICES": "3"}, 3),
        ("", {"XLA_FLAGS": FORCED}, 3),
        (ELSEWHERE.format(cores=5), {}, 5),
        (ELSEWHERE.format(cores=None), {}, 1),
    ],
)
def test_the_cores_or_what_the_environment_says(before, environment, devices):
    found = run(before + COUNT, **environment)
    assert found.stdout == f"{devices}\n", found.stderr


@pytest.mark.parametrize(
    ("processor", "given", "flags"),
    [
        ("flags: avx2", "", "--xla_cpu_multi_thread_eigen=false"),
        (
            "flags: avx2 avx512f",
            "",
            "--xla_cpu_multi_thread_eigen=false --xla_cpu_prefer_vector_width=512",
        ),
        (
            "flags: avx512f",
            "--xla_cpu_prefer_vector_width=256",
            "--xla_cpu_prefer_vector_width=256 --xla_cpu_multi_thread_eigen=false",
        ),
    ],
)
def test_vectors_of_the_processor(monkeypatch, processor, given, flags):
    monkeypatch.setattr(devices_module, "processor", lambda: processor)
    monkeypatch.setattr(devices_module, "device_count_is_given", lambda: True)
    monkeypatch.setenv("XLA_FLAGS", given)
    devices_module.use_all_cores()
    assert os.environ["XLA_FLAGS"] == flags


COMMANDS = """
from experiments.command.devices import use_all_cores
from experiments.command.errors import reports_user_errors
from experiments import {commands}
use_all_cores()
for command in ({commands},):
    try:
        reports_user_errors(command.main)()
    except SystemExit as left:
        print(left.code)
"""


@pytest.mark.parametrize(
    ("commands", "platform"),
    [("train_ensemble, compare", "cuda"), ("train_ensemble", "nothing")],
)
def test_no_such_device_is_one_line(tmp_path, commands, platform):
    out = tmp_path / "run"
    program = COMMANDS.format(commands=commands)
    found = run(program, "--out", out, JAX_PLATFORMS=platform)
    lines = found.stderr.splitlines()
    assert found.stdout.split() == ["2"] * len(lines)
    assert len(lines) == len(commands.split())
    for line in lines:
        assert line.startswith(f"error: JAX_PLATFORMS={platform} gives no device (")
        assert "unset it" in line
    assert not out.exists()
