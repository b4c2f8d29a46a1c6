"""Groups of members, and of devices: the same members, each with its own history."""

import shutil

import jax
import numpy as np
import pytest

from experiments.command.errors import Interrupted
from experiments.runs import directory as run_directory
from experiments.runs.directory import load_run
from experiments.runs.files import read_table
from nelc_jax import ensemble
from nelc_jax.ensemble import member_mesh

from ..brief import assert_same, begin, resume, states_in, stopped

pytestmark = pytest.mark.usefixtures("short")


def assert_close(one, other):
    """The same random numbers; sums of another order in the last bits."""
    one, other = load_run(one), load_run(other)
    for name, array in one.arrays.items():
        np.testing.assert_allclose(array, other.arrays[name], 1e-4, 1e-4, err_msg=name)
    for name in ("epoch", "model", "log_likelihood"):
        np.testing.assert_allclose(one.history[name], other.history[name], rtol=1e-4)


@pytest.fixture
def one_device(monkeypatch):
    def mesh(size):
        return member_mesh(size, jax.local_devices()[:1])

    monkeypatch.setattr(ensemble, "member_mesh", mesh)


IN_TWO = {"models-0-1.safetensors", "models-2-2.safetensors"}


def test_finished_groups_are_not_trained_again(
    points, tmp_path, unbroken, stop_after, one_device
):
    groups = ("--members-at-once", "2")
    whole = begin(points, tmp_path / "whole", *groups)
    assert_close(whole, unbroken)
    out = stopped(points, tmp_path / "run", stop_after, *groups, count=7)
    assert states_in(out) == IN_TWO
    trained = stop_after()
    resume(out)
    assert trained == [([2], 4)]
    assert_same(out, whole)


def test_other_groups_and_devices(points, tmp_path, unbroken, stop_after, request):
    apart, together = tmp_path / "apart", tmp_path / "together"
    stopped(points, apart, stop_after)
    assert states_in(apart) == {"models-0-2.safetensors"}
    stop_after(2)
    request.getfixturevalue("one_device")
    with pytest.raises(Interrupted):
        resume(apart, "--members-at-once", "2")
    assert states_in(apart) == IN_TWO
    shutil.copytree(apart, together)
    trained = stop_after()
    resume(apart)
    assert trained == []
    assert_close(apart, unbroken)
    # Those that are equally far train together again.
    resume(together, "--members-at-once", "3", "--epochs", "4")
    assert states_in(together) == {"models-0-2.safetensors"}
    assert trained == []
    assert_same(together, apart)


def test_the_history_of_groups_is_all_there_before_the_end(
    points, tmp_path, stop_after, one_device
):
    groups = ("--members-at-once", "2")
    out = stopped(points, tmp_path / "run", stop_after, *groups, count=7)
    shown = read_table(out / run_directory.HISTORY)
    assert list(zip(shown["model"], shown["epoch"], strict=True)) == [
        *((model, epoch) for epoch in range(1, 5) for model in (0, 1)),
        *((2, epoch) for epoch in range(1, 4)),
    ]
    # Once more after it was lost.
    (out / run_directory.HISTORY).unlink()
    stop_after(1)
    with pytest.raises(Interrupted):
        resume(out)
    again = read_table(out / run_directory.HISTORY)
    for name, column in shown.items():
        np.testing.assert_array_equal(again[name][: len(column)], column)
    assert len(again["epoch"]) == 12
