"""Ensembles on 1, 3 and 8 devices, and on those of this process: 2 by default."""

import subprocess
import sys
from pathlib import Path

import jax
import pytest

from . import devices

ROOT = Path(__file__).parent.parent


def test_members_are_the_same_on_the_devices_of_the_session():
    devices.main(len(jax.local_devices()))


@pytest.mark.parametrize("num_devices", [1, 3, 8])
def test_members_are_the_same_on_any_devices(num_devices):
    command = [sys.executable, "-m", "tests.devices", str(num_devices)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "every member is the same\n"
