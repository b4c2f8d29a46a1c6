"""A training on the host: how long it is, how far it has come, what came of it."""

from dataclasses import dataclass, field

import jax
import numpy as np

from experiments.training.measure import Measured
from nelc_jax import minibatch
from nelc_jax.model import Model

HISTORY_COLUMNS = (
    "epoch",
    "model",
    "log_likelihood",
    "batch_log_likelihood",
    "entropy_production_rate",
    "entropy_production_rate_error",
    "entropy_production_rate_bias",
    "relaxation_time",
    "mean_self_transition",
    "min_occupancy",
)


@dataclass(frozen=True)
class Schedule:
    """How long an ensemble trains, and on how many points a step.

    Mini-batches grow over the first `batch_epochs` epochs, all of them if None.
    """

    epochs: int
    steps_per_epoch: int
    batch_first: int
    batch_last: int
    batch_epochs: int | None = None

    def batch_sizes(self) -> np.ndarray:
        """The mini-batch size of every epoch."""
        growing = self.batch_epochs or self.epochs
        sizes = minibatch.batch_schedule(self.batch_first, self.batch_last, growing)
        return sizes[np.minimum(np.arange(self.epochs), growing - 1)]


@dataclass(frozen=True)
class Progress:
    """How far a training is: the last epoch finished, history rows, seconds so far."""

    epoch: int = 0
    rows: list[dict[str, np.ndarray]] = field(default_factory=list)
    seconds: float = 0.0

    def history(self) -> dict[str, np.ndarray]:
        """The columns of the history, one entry an epoch and model."""
        return {
            name: np.concatenate([row[name] for row in self.rows])
            for name in HISTORY_COLUMNS
        }


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
        {name: column[order] for name, column in history.items()},
        concatenated(measured),
        {name: sum(part[name] for part in seconds) for name in seconds[0]},
    )
