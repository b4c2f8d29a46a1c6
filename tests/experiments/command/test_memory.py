"""What does not fit into memory, in words."""

import os

import pytest

from experiments.command import memory
from experiments.command.errors import UserError


def test_what_is_needed_and_what_there_is(monkeypatch):
    monkeypatch.setattr(memory, "installed_memory", lambda: 3 * 2**30)
    memory.check_memory("--models 3", 3 * 2**30)
    for needed, words in (
        (3 * 2**30 + 1, "3 GiB"),
        (5 * 2**40, "5 TiB"),
        (10**30, r"10\^30 bytes"),
        (10**5000, r"10\^5000 bytes"),
    ):
        with pytest.raises(
            UserError,
            match=f"^--models 3 needs {words} of memory at least, and there are 3 GiB",
        ):
            memory.check_memory("--models 3", needed)


def test_a_system_that_does_not_say(monkeypatch):
    assert memory.installed_memory() > 2**20
    monkeypatch.delattr(os, "sysconf")
    assert memory.installed_memory() is None
    memory.check_memory("--models 3", 10**30)
