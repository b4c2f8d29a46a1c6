"""Ensembles on 1, 2, 3 and 8 devices: those of this process, and of others."""

import subprocess
import sys
from pathlib import Path

import jax
import pytest

from . import devices

pytestmark = pytest.mark.usefixtures("cheap_programs")

ROOT = Path(__file__).parent.parent


def test_members_are_the_same_on_two_devices():
    assert len(jax.local_devices()) == 2
    devices.main(2)


@pytest.mark.parametrize("num_devices", [1, 3, 8])
def test_members_are_the_same_on_any_devices(num_devices):
    command = [sys.executable, "-m", "tests.devices", str(num_devices)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "every member is the same\n"
