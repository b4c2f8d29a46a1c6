"""The one loop: train an ensemble epoch by epoch, measure it at the end."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat

import jax
import numpy as np
from tqdm import tqdm

from experiments.command.streams import progress_bar, write_above
from experiments.runs.progress import HISTORY_COLUMNS, Progress
from experiments.training.ensemble import Ensemble
from experiments.training.measure import Likelihood, Measured
from nelc_jax.diagnostics.summary import Summary
from nelc_jax.model import Model
from nelc_jax.training import StepInfo


@dataclass(frozen=True)
class Trained:
    """Trained members: models, ends of their chains, history, final measures.

    `diverged_in`: the epoch, from 1, in which each went non-finite and was frozen at
    its beginning, or 0; `history` has one entry an epoch and model in every column, nan
    of a frozen model.
    """

    numbers: np.ndarray
    model: Model
    x: np.ndarray
    diverged_in: np.ndarray
    history: dict[str, np.ndarray]
    measured: Measured | Likelihood
    seconds: dict[str, float]


def join(parts: list[Trained]) -> Trained:
    """One ensemble from groups of members that were trained in turn."""
    numbers, models, xs, diverged_in, histories, measured, seconds = zip(
        *(vars(part).values() for part in parts), strict=True
    )

    def concatenated(trees):
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *trees)

    history = concatenated(histories)
    order = np.lexsort((history["model"], history["epoch"]))
    return Trained(
        np.concatenate(numbers),
        concatenated(models),
        np.concatenate(xs),
        np.concatenate(diverged_in),
        # In the order of a history: a tree has that of the alphabet.
        {name: history[name][order] for name in HISTORY_COLUMNS},
        concatenated(measured),
        {name: sum(part[name] for part in seconds) for name in seconds[0]},
    )


def train_ensemble(
    members: Ensemble,
    batch_sizes: np.ndarray,
    steps_per_epoch: int,
    after_epoch: Callable[[Progress], bool],
    name: str = "training",
    begun: Progress | None = None,
) -> Trained:
    """Train with a progress bar, from the beginning or on; measure at the end.

    Models that go non-finite are frozen and named; the others go on.

    **Arguments:** `batch_sizes`, one an epoch; `after_epoch` is told of the progress
    after every epoch, and whether that was the last is what it returns; `name`, that of
    the progress bar; `begun`, the progress of members that were trained before.
    """
    progress = begun or Progress()
    started = time.perf_counter() - progress.seconds
    first = progress.epoch
    diverged_in = members.diverged_in(first, steps_per_epoch)
    with progress_bar(
        total=len(batch_sizes),
        initial=first,
        unit="epoch",
        desc=name,
        disable=jax.process_index() != 0,
    ) as bar:
        for epoch, size in enumerate(batch_sizes[first:], first + 1):
            columns: Iterable[np.ndarray | float] = repeat(np.nan)
            if not diverged_in.all():
                sizes = np.full(steps_per_epoch, size)
                info, summary, spread = members.epoch(epoch, sizes)
                columns = _history_columns(info, summary, spread)
                diverged_in = members.diverged_in(epoch, steps_per_epoch)
                _name_frozen(bar, members.numbers[diverged_in == epoch], epoch)
            running = diverged_in == 0
            row = _history_row(epoch, members.numbers, running, columns)
            seconds = time.perf_counter() - started
            progress = Progress(epoch, [*progress.rows, row], seconds)
            bar.set_postfix_str(_in_words(row, running))
            bar.update()
            if after_epoch(progress):
                break
    trained = time.perf_counter()
    measured = members.measure()
    seconds = {
        "training": progress.seconds,
        "measuring": time.perf_counter() - trained,
    }
    return Trained(
        members.numbers,
        *members.models(),
        diverged_in,
        progress.history(),
        measured,
        seconds,
    )


def _name_frozen(bar: tqdm, numbers: np.ndarray, epoch: int):
    """Say which models have gone non-finite in an epoch."""
    if numbers.size:
        more = f" and {numbers.size - 4} more" if numbers.size > 4 else ""
        named = ", ".join(map(str, numbers[:4])) + more
        models = "models" if numbers.size > 1 else "model"
        write_above(
            bar,
            f"{models} {named} went non-finite in epoch {epoch}: frozen as before it, "
            "and left out of every statistic",
        )


def _in_words(row: dict[str, np.ndarray], running: np.ndarray) -> str:
    """The means of the models that still train, and how many those are."""
    if not running.any():
        return "no model is finite"
    forms = {
        "log_likelihood": "L = {:.2f} nats",
        "entropy_production_rate": "sigma = {:.2f} nats/step",
    }
    means = {name: row[name][running].mean() for name in forms}
    # Of many states they are not measured after every epoch, or sigma never.
    words = [
        form.format(means[n]) for n, form in forms.items() if np.isfinite(means[n])
    ]
    if not running.all():
        words.append(f"{running.sum()} models")
    return ", ".join(words)


def _history_columns(
    info: StepInfo, summary: Summary | Likelihood, spread
) -> list[np.ndarray | float]:
    """What was measured after an epoch, in the order of `HISTORY_COLUMNS`, or nan."""
    error, bias = spread
    found = {
        "batch_log_likelihood": info.log_likelihood.mean(axis=1),
        "entropy_production_rate_error": error,
        "entropy_production_rate_bias": bias,
        **vars(summary),
    }
    columns = [found.get(name) for name in HISTORY_COLUMNS[2:]]
    return [np.nan if column is None else column for column in columns]


def _history_row(
    epoch: int,
    numbers: np.ndarray,
    running: np.ndarray,
    columns: Iterable[np.ndarray | float],
) -> dict[str, np.ndarray]:
    """One entry a model in every column, nan of those that are frozen."""
    row = {"epoch": np.full(len(numbers), epoch), "model": numbers}
    for name, column in zip(HISTORY_COLUMNS[2:], columns, strict=False):
        row[name] = np.where(running, column, np.nan)
    return row
