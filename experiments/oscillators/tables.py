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
    checkpoint; `seconds` of each training; `left_out`, a line for each network that
    went non-finite.
    """

    rows: Columns
    members: Columns
    history: Columns
    costs: Columns
    arrays: Columns
    seconds: dict[str, float]
    left_out: list[str]


def columns(table: Mapping[str, list]) -> Columns:
    """A table with each column as an array."""
    return {name: np.asarray(column) for name, column in table.items()}


def add_row(table: dict[str, list], measured: Mapping[str, np.ndarray]) -> None:
    """Add means over members and their errors, as columns NAME and NAME_error."""
    for name, values in measured.items():
        mean, error = mean_and_error(values)
        table.setdefault(name, []).append(mean)
        table.setdefault(f"{name}_error", []).append(error)


def means(of: str, methods: Mapping[str, Columns]) -> Columns:
    """A row for each of `methods`, named in the column `of`: means and their errors."""
    rows: dict[str, list] = {of: list(methods)}
    for measured in methods.values():
        add_row(rows, measured)
    return columns(rows)


def comparison(
    methods: Mapping[str, Columns], diverged_at: Mapping[str, np.ndarray]
) -> tuple[Columns, Columns]:
    """The measures of each method, one value a member, as two tables.

    **Arguments:** `methods`, the measures of the members that stayed finite;
    `diverged_at`, of methods that are trained, the step by which each member went
    non-finite, or 0.

    **Returns:** a row a method, with means over so many `networks` and their errors,
    and a row a member and method, which is numbered; nan of members that diverged.
    """
    members: dict[str, list] = {"model": [], "method": [], "diverged_at": []}
    counts = []
    for number, (method, measured) in enumerate(methods.items()):
        counts.append(len(next(iter(measured.values()))))
        steps = diverged_at.get(method, np.zeros(counts[-1], int))
        members["model"].extend(range(len(steps)))
        members["method"].extend([number] * len(steps))
        members["diverged_at"].extend(steps)
        for name, values in measured.items():
            column = np.full(len(steps), np.nan)
            column[steps == 0] = values
            members.setdefault(name, []).extend(column)
    rows = means("method", methods)
    return {**rows, "networks": np.array(counts)}, columns(members)


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
