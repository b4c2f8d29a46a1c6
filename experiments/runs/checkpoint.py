"""Training that can go on: states as named arrays with words about them, and back.

Pure functions; `resume` reads and writes the files. A name is the path of an array in
the state, so that any trainer's state is kept; random keys are kept as their data. A
checksum over everything finds the flipped bit that the format of the file does not.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.runs.records import Records, read_records
from nelc_jax._format import STATE_FORMAT

SCHEMA = 3
"""Version of what a file holds; another one is not read."""


@dataclass(frozen=True)
class Checkpoint:
    """Some models of an ensemble, part of the way through their training.

    `config`, that of the run; `numbers` (M,) of the models; `epoch`, the last that they
    finished; `seconds` of training so far; `states`, arrays by name with a leading axis
    over the models; `history`, columns with one entry an epoch and model.
    """

    config: dict
    numbers: np.ndarray
    epoch: int
    seconds: float
    states: dict[str, np.ndarray]
    history: dict[str, np.ndarray]


def name_arrays(tree: Any) -> dict[str, Any]:
    """The arrays of a state by the names of their paths; keys as their data."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        "state" + jax.tree_util.keystr(path): _key_data(leaf) for path, leaf in leaves
    }


def restore_arrays(arrays: dict[str, jax.Array], structure: Any) -> Any:
    """A state from its named arrays; `structure` has its keys, as from `eval_shape`."""

    def restored(path, leaf):
        array = arrays["state" + jax.tree_util.keystr(path)]
        return jax.random.wrap_key_data(array) if _is_key(leaf) else array

    return jax.tree_util.tree_map_with_path(restored, structure)


def pack(
    config: dict,
    numbers: np.ndarray,
    epoch: int,
    seconds: float,
    states: dict[str, np.ndarray],
    records: Records,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the words of a file; `records` of the history are in their own."""
    arrays = {"numbers": numbers, **states}
    words = {
        "format": STATE_FORMAT,
        "schema": str(SCHEMA),
        "config": json.dumps(config),
        "epoch": str(epoch),
        "seconds": repr(seconds),
        "history": json.dumps(records.describe()),
    }
    return arrays, words | {"sha256": _digest(arrays, words)}


def unpack(
    arrays: dict[str, np.ndarray], words: dict[str, str], history: bytes
) -> Checkpoint:
    """What `pack` was given.

    **Arguments:** `history`, the bytes of the records; later ones may follow.

    **Raises:** `ValueError` for arrays and words of something else, of another schema,
    or that were damaged.
    """
    if words.get("format") != STATE_FORMAT:
        raise ValueError("holds no training state")
    if words.get("schema") != str(SCHEMA):
        raise ValueError(
            f"has schema {words.get('schema')}, and this version reads {SCHEMA}"
        )
    words = dict(words)
    if words.pop("sha256", None) != _digest(arrays, words):
        raise ValueError("is damaged: its checksum differs")
    try:
        config = json.loads(words["config"])
        epoch, seconds = int(words["epoch"]), float(words["seconds"])
        numbers = arrays["numbers"]
        columns = read_records(history, json.loads(words["history"]))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"is damaged: {error}") from error
    if not isinstance(config, dict) or epoch < 1 or not 0 <= seconds < float("inf"):
        raise ValueError("is damaged: its settings are none")
    ascending = numbers.ndim == 1 and len(numbers) and (np.diff(numbers) > 0).all()
    if numbers.dtype != np.int64 or not ascending:
        raise ValueError("is damaged: it names no models")
    return Checkpoint(
        config,
        numbers,
        epoch,
        seconds,
        {name: a for name, a in arrays.items() if name.startswith("state")},
        columns,
    )


def check_arrays(
    checkpoint: Checkpoint, structure: Any, columns: Collection[str]
) -> None:
    """Check states and history, as the file of somebody else may have any checksum.

    **Arguments:** `structure`, of one member's state; `columns` of the history.

    **Raises:** `ValueError` for names, shapes and types that do not fit, and for nan.
    """
    count = len(checkpoint.numbers)
    expected = {
        name: (array.dtype, (count, *array.shape))
        for name, array in jax.eval_shape(name_arrays, structure).items()
    }
    _check_names("states", checkpoint.states, expected)
    for name, (dtype, shape) in expected.items():
        array = checkpoint.states[name]
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(
                f"holds {name} as {array.dtype} {array.shape} instead of {dtype} "
                f"{shape}"
            )
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ValueError(f"holds numbers in {name} that are nan")
    _check_names("history", checkpoint.history, columns)
    for column in checkpoint.history.values():
        if column.shape != (checkpoint.epoch * count,):
            raise ValueError(f"has a history of another length than {checkpoint.epoch}")
    epochs = np.repeat(np.arange(1, checkpoint.epoch + 1), count)
    models = np.tile(checkpoint.numbers, checkpoint.epoch)
    for name, column in {"epoch": epochs, "model": models}.items():
        if (checkpoint.history[name] != column).any():
            raise ValueError(f"has a history with another order of {name}s")


def _check_names(what: str, found: Collection[str], expected: Collection[str]):
    odd = sorted(set(found) ^ set(expected))
    if odd:
        raise ValueError(f"has {what} with other names than this trainer's: {odd[0]}")


def _is_key(leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_data(leaf):
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _digest(arrays: dict[str, np.ndarray], words: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
