"""Ensembles on 1, 2, 3 and 8 devices, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("num_devices", [1, 2, 3, 8])
def test_members_are_the_same_on_any_devices(num_devices):
    command = [sys.executable, "-m", "tests.devices", str(num_devices)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "every member is the same\n"
