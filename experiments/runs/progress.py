"""How far a training has come, on the host."""

from dataclasses import dataclass, field

import numpy as np

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
class Progress:
    """How far a training is: the last epoch finished, history rows, seconds so far."""

    epoch: int = 0
    rows: list[dict[str, np.ndarray]] = field(default_factory=list)
    seconds: float = 0.0

    def history(self) -> dict[str, np.ndarray]:
        """The columns of the history, one entry an epoch and model."""
        return join_rows(self.rows)


def join_rows(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The columns of a history from parts of it, in turn."""
    return {
        name: np.concatenate([row[name] for row in rows]) for name in HISTORY_COLUMNS
    }
