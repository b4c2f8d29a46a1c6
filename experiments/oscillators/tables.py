"""The tables of a run of the oscillators: columns by name, means over members."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from experiments.oscillators.metrics import mean_and_error
from nelc_jax.oscillators import Protocol

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Results:
    """What every task finds.

    `rows`, one a way of generating, with the columns of comparison.csv; `members`, the
    columns of models.csv; `history`; `costs`, one row a pace; `arrays` of the
    checkpoint; `seconds` of each training.
    """

    rows: Columns
    members: Columns
    history: Columns
    costs: Columns
    arrays: Columns
    seconds: dict[str, float]


def columns(table: Mapping[str, list]) -> Columns:
    """A table with each column as an array."""
    return {name: np.asarray(column) for name, column in table.items()}


def add_row(table: dict[str, list], measured: Mapping[str, np.ndarray]) -> None:
    """Add means over members and their errors, as columns NAME and NAME_error."""
    for name, values in measured.items():
        mean, error = mean_and_error(values)
        table.setdefault(name, []).append(mean)
        table.setdefault(f"{name}_error", []).append(error)


def comparison(methods: Mapping[str, Columns]) -> tuple[Columns, Columns]:
    """The measures of each method, one value a member, as two tables.

    **Returns:** a row a method with means and errors, and a row a member and method,
    which is numbered.
    """
    rows: dict[str, list] = {"method": list(methods)}
    members: dict[str, list] = {"model": [], "method": []}
    for number, measured in enumerate(methods.values()):
        add_row(rows, measured)
        count = len(next(iter(measured.values())))
        members["model"].extend(range(count))
        members["method"].extend([number] * count)
        for name, values in measured.items():
            members.setdefault(name, []).extend(values)
    return columns(rows), columns(members)


def history(losses: Sequence[np.ndarray], num_steps: int) -> Columns:
    """The losses (members, chunks) of each method, a row a chunk of the steps."""
    parts = np.array_split(np.arange(num_steps), losses[0].shape[1])
    steps = np.cumsum([len(part) for part in parts])
    stacked = np.stack(losses)
    methods, models, chunks = np.indices(stacked.shape)
    return {
        "step": steps[chunks.ravel()],
        "model": models.ravel(),
        "method": methods.ravel(),
        "loss": stacked.ravel(),
    }


def array_name(method: str) -> str:
    """A method's name as part of that of an array."""
    return re.sub(r"\W+", "_", method).strip("_")


def protocol_arrays(name: str, protocols: Protocol) -> Columns:
    """Protocols with a leading axis over members, as NAME.times, NAME.b and so on."""
    arrays = {f"{name}.times": np.asarray(protocols.times)}
    for path, array in jax.tree_util.tree_leaves_with_path(protocols.potential):
        arrays[f"{name}{jax.tree_util.keystr(path)}"] = np.asarray(array)
    return arrays
