"""The one loop: train an ensemble epoch by epoch, measure it at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from experiments.command.errors import UserError
from experiments.command.streams import progress_bar
from experiments.runs.progress import HISTORY_COLUMNS, Progress
from experiments.training.ensemble import Ensemble
from experiments.training.measure import Measured
from nelc_jax.diagnostics.summary import Summary
from nelc_jax.model import Model


@dataclass(frozen=True)
class Trained:
    """Trained members: models, ends of their chains, history, final measures.

    `history` has one entry an epoch and model in every column.
    """

    numbers: np.ndarray
    model: Model
    x: np.ndarray
    history: dict[str, np.ndarray]
    measured: Measured
    seconds: dict[str, float]


def join(parts: list[Trained]) -> Trained:
    """One ensemble from groups of members that were trained in turn."""
    numbers, models, xs, histories, measured, seconds = zip(
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
        # In the order of a history: a tree has that of the alphabet.
        {name: history[name][order] for name in HISTORY_COLUMNS},
        concatenated(measured),
        {name: sum(part[name] for part in seconds) for name in seconds[0]},
    )


def train_ensemble(
    members: Ensemble,
    batch_sizes: np.ndarray,
    steps_per_epoch: int,
    after_epoch: Callable[[Progress], None],
    name: str = "training",
    begun: Progress | None = None,
) -> Trained:
    """Train with a progress bar, from the beginning or on; measure at the end.

    **Arguments:** `batch_sizes`, one an epoch; `after_epoch` is told of the progress
    after every epoch; `name`, that of the progress bar; `begun`, the progress of
    members that were trained before.

    **Raises:** `UserError` naming the model and step where a number went non-finite.
    """
    progress = begun or Progress()
    started = time.perf_counter() - progress.seconds
    first = progress.epoch
    with progress_bar(
        total=len(batch_sizes),
        initial=first,
        unit="epoch",
        desc=name,
        disable=jax.process_index() != 0,
    ) as bar:
        for epoch, size in enumerate(batch_sizes[first:], first + 1):
            info, summary, spread = members.epoch(epoch, np.full(steps_per_epoch, size))
            _check_finite(info.finite, members.numbers, (epoch - 1) * steps_per_epoch)
            row = _history_row(epoch, members.numbers, info, summary, spread)
            seconds = time.perf_counter() - started
            progress = Progress(epoch, [*progress.rows, row], seconds)
            bar.set_postfix_str(
                f"L = {summary.log_likelihood.mean():.2f} nats, "
                f"sigma = {summary.entropy_production_rate.mean():.2f} nats/step"
            )
            bar.update()
            after_epoch(progress)
    trained = time.perf_counter()
    measured = members.measure()
    seconds = {
        "training": progress.seconds,
        "measuring": time.perf_counter() - trained,
    }
    return Trained(
        members.numbers, *members.models(), progress.history(), measured, seconds
    )


def _check_finite(finite: np.ndarray, numbers: np.ndarray, first_step: int):
    if not finite.all():
        step = int(np.argmin(finite.all(axis=0)))
        model = numbers[np.argmin(finite[:, step])]
        raise UserError(
            f"model {model} went non-finite at gradient step {first_step + step + 1}: "
            "lower --learning-rate; what was saved before is kept"
        )


def _history_row(
    epoch: int, numbers: np.ndarray, info, summary: Summary, spread
) -> dict[str, np.ndarray]:
    columns = (
        np.full(len(numbers), epoch),
        numbers,
        summary.log_likelihood,
        info.log_likelihood.mean(axis=1),
        summary.entropy_production_rate,
        *spread,
        summary.relaxation_time,
        summary.mean_self_transition,
        summary.min_occupancy,
    )
    return dict(zip(HISTORY_COLUMNS, map(np.asarray, columns), strict=True))
