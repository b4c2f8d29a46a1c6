"""What a file of states holds, and every way in which it can be wrong."""

import json
from dataclasses import replace
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.command.errors import UserError
from experiments.runs.checkpoint import (
    Checkpoint,
    check_arrays,
    name_arrays,
    pack,
    restore_arrays,
    unpack,
)
from experiments.runs.records import Records, to_records
from experiments.runs.resume import read_checkpoint
from experiments.training.ensemble import state_structure
from nelc_jax import AveragedGradient, Binary, Cycles, OneHot, Pcd
from nelc_jax._format import write_arrays

COLUMNS = ("epoch", "model", "sigma")
STRUCTURE = jax.eval_shape(
    lambda: {"w": jnp.zeros((2, 3)), "key": jax.random.key(0), "x": jnp.zeros(3, bool)}
)


def checkpoint():
    rng = np.random.default_rng(0)
    return Checkpoint(
        {"seed": 3, "epochs": 4},
        np.array([5, 6]),
        2,
        1.25,
        {
            "state['w']": rng.normal(size=(2, 2, 3)).astype(np.float32),
            "state['key']": rng.integers(0, 2**32, (2, 2), np.uint32),
            "state['x']": rng.random((2, 3)) < 0.5,
        },
        {
            "epoch": np.array([1, 1, 2, 2]),
            "model": np.array([5, 6, 5, 6]),
            "sigma": np.array([np.inf, 1, 2, np.nan], np.float32),
        },
    )


def assert_same(one, other):
    assert (one.config, one.epoch, one.seconds) == (
        other.config,
        other.epoch,
        other.seconds,
    )
    trees = [(c.numbers, c.states, c.history) for c in (one, other)]
    chex.assert_trees_all_equal(*trees)
    chex.assert_trees_all_equal_dtypes(*trees)


def packed(checkpoint, records):
    """The arrays and the words of a file, of which the history is in `records`."""
    records.know(checkpoint.history)
    of_state = vars(checkpoint).copy()
    del of_state["history"]
    return pack(**of_state, records=records)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "models-5-6.safetensors"
    records = Records(path.with_suffix(".history"))
    records.replace(checkpoint().history)
    write_arrays(path, *packed(checkpoint(), records))
    return path


def test_round_trip(path):
    read = read_checkpoint(path)
    assert_same(read, checkpoint())
    check_arrays(read, STRUCTURE, COLUMNS)


@pytest.mark.parametrize(
    "rule",
    [
        Cycles(OneHot(2)),
        Cycles(Binary(2), AveragedGradient(4), optax.adam(0.1)),
        Pcd(Binary(2)),
    ],
)
def test_the_state_of_any_rule(rule):
    structure = state_structure(rule, np.zeros((20, 5), bool))
    rng = np.random.default_rng(0)
    arrays = {
        name: jnp.asarray(rng.integers(0, 2, leaf.shape).astype(leaf.dtype))
        for name, leaf in jax.eval_shape(name_arrays, structure).items()
    }
    state = restore_arrays(arrays, structure)
    assert jax.tree.structure(state) == jax.tree.structure(structure)
    assert jax.eval_shape(lambda state: state, state) == structure
    chex.assert_trees_all_equal(name_arrays(state), arrays)


def outcome(path):
    try:
        return read_checkpoint(path)
    except UserError as error:
        return str(error)


def test_no_cut_and_no_flipped_bit_goes_unnoticed(path):
    whole = path.read_bytes()
    unread = 0
    # Not the history, to which later records may have been added.
    history = path.with_suffix(".history")
    records = history.read_bytes()
    history.write_bytes(records + b"more")
    assert_same(read_checkpoint(path), checkpoint())
    for damaged in (b"", records[:-1], bytes([records[0] ^ 1]) + records[1:]):
        history.write_bytes(damaged)
        assert "its history is another, or lost" in outcome(path)
    history.write_bytes(records)
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(UserError, match=r"models-5-6.*delete it to train its"):
            read_checkpoint(path)
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        found = outcome(path)
        if isinstance(found, str):
            assert found.startswith(str(path))
            assert "\n" not in found
            unread += 1
        else:
            # The order of the header and its spaces mean nothing.
            assert_same(found, checkpoint())
    assert unread > len(whole) - 16


def test_other_files_are_told_apart(path):
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    arrays, words = packed(checkpoint(), Records(path))

    def refused(reason):
        with pytest.raises(UserError, match=reason) as caught:
            read_checkpoint(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    for length in (2**63, 2**64 - 1, 10**9, size + 1):
        path.write_bytes(length.to_bytes(8, "little") + whole[8:])
        refused("is damaged")
    path.write_bytes(b"\x80\x04\x95cos\nsystem\n(S'touch hacked'\ntR.")
    refused("is damaged")
    write_arrays(path, arrays)
    refused("holds no training state")
    write_arrays(path, arrays, words | {"schema": "1"})
    refused("has schema 1, and this version reads 3")
    write_arrays(path, arrays, words | {"epoch": "3"})
    refused("its checksum differs")
    path.unlink()
    path.mkdir()
    refused("cannot be read")


def with_words(**words):
    """A file of somebody who knows how to make the checksum."""
    made = replace(checkpoint(), **words)
    return unpack(
        *packed(made, Records(Path("history"))), to_records(made.history).tobytes()
    )


HOSTILE = {
    "its settings are none": {"config": [1]},
    "settings are none": {"epoch": 0},
    "are none": {"seconds": float("nan")},
    "names no models": {"numbers": np.array([], np.int64)},
    "is damaged: it names no models": {"numbers": np.array([1, 1])},
    "it names no models": {"numbers": np.array([1.0, 2.0])},
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_words_that_mean_nothing(reason):
    with pytest.raises(ValueError, match=reason):
        with_words(**HOSTILE[reason])


W, HISTORY = "state['w']", checkpoint().history
UNFIT = {
    "states with other names": {"states": {}},
    "float64": {"states": {W: np.zeros((2, 2, 3))}},
    r"\(2, 3, 2\) instead of float32 \(2, 2, 3\)": {
        "states": {W: np.zeros((2, 3, 2), np.float32)}
    },
    "are nan": {"states": {W: np.full((2, 2, 3), np.nan, np.float32)}},
    "history with other names": {"history": {"epoch": np.zeros(4)}},
    "another length than 2": {"history": {n: c[:3] for n, c in HISTORY.items()}},
    f"another length than {10**15}": {"epoch": 10**15},
    "another order of epochs": {"history": HISTORY | {"epoch": np.arange(4)}},
    "another order of models": {"numbers": np.array([0, 1])},
}


@pytest.mark.parametrize("reason", UNFIT)
def test_arrays_that_do_not_fit(reason):
    changes = UNFIT[reason]
    if changes.get("states"):
        changes = {"states": checkpoint().states | changes["states"]}
    read = with_words(**changes)
    with pytest.raises(ValueError, match=reason):
        check_arrays(read, STRUCTURE, COLUMNS)


def test_settings_are_json_not_code():
    _, words = packed(checkpoint(), Records(Path("history")))
    assert json.loads(words["config"]) == {"seed": 3, "epochs": 4}
