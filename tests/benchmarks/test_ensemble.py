"""The command from its options to its table and file, on a job that takes no time."""

import json
import sys

import numpy as np

from benchmarks import ensemble as command
from benchmarks.workloads import STEPS_PER_EPOCH, Job
from nelc_jax import OneHot

LIMITS = ("copy_bytes_per_second", "flops_per_second", "random_bits_per_second")
SMALL = Job("small", 3, 4, 9, OneHot(2), np.full(2 * STEPS_PER_EPOCH, 8))


def test_the_command_in_xla(tmp_path, monkeypatch, capsys):
    found = tmp_path / "found.json"
    options = ["--no-native", "--workload", "members", "--repeats", "1"]
    monkeypatch.setattr(sys, "argv", ["ensemble", *options, "--json", str(found)])
    monkeypatch.setattr(command, "workload", lambda name: [SMALL])
    monkeypatch.setattr(command, "use_all_cores", lambda: None)
    monkeypatch.setattr(command, "device_limits", lambda: dict.fromkeys(LIMITS, 1e9))
    # What the command sets is taken back.
    monkeypatch.setenv("NELC_JAX_NATIVE", "0")
    command.main()
    (entry,) = json.loads(found.read_text())["measurements"]
    assert (entry["name"], entry["models"], entry["steps"]) == ("small", 3, 60)
    assert entry["seconds"] > 0
    assert np.isfinite(entry["batch_log_likelihood"])
    assert "small" in capsys.readouterr().out
