"""Models of a run that went non-finite: frozen, shown with a mark, in no statistic."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from experiments.runs.directory import Run

DIVERGED_IN = "diverged_in"
"""The column of `models.csv`: the epoch, from 1; 0 of models that did not."""


def diverged_in(run: Run) -> np.ndarray:
    """The epoch in which each model went non-finite, or 0."""
    return run.models.get(DIVERGED_IN, np.zeros(len(run.models["model"]), int))


def sound(run: Run) -> Run:
    """The run without the models that went non-finite, for statistics over models."""
    kept = diverged_in(run) == 0
    if kept.all():
        return run
    rows = np.isin(run.history["model"], run.models["model"][kept])
    return replace(
        run,
        history={name: column[rows] for name, column in run.history.items()},
        models={name: column[kept] for name, column in run.models.items()},
        arrays={name: array[kept] for name, array in run.arrays.items()},
    )


def sound_ensembles(
    runs: Mapping[str, list[Run]],
) -> tuple[dict[str, list[Run]], list[str]]:
    """Runs by group without their models that went non-finite, and a line a group."""
    lines = [f"{name}: {left_out(*found)}" for name, found in runs.items()]
    return (
        {name: [sound(run) for run in found] for name, found in runs.items()},
        [line for line in lines if not line.endswith(": ")],
    )


def left_out(*runs: Run) -> str:
    """How many models of some runs are in no statistic, in words; empty for none."""
    steps = np.concatenate([diverged_in(run) for run in runs])
    count = np.count_nonzero(steps)
    if not count:
        return ""
    which = "is" if count == 1 else "are"
    return (
        f"{count} of {len(steps)} models went non-finite in training and {which} left "
        "out of every statistic."
    )
