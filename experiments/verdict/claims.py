"""The paper's findings, as statistics of models and as what holds in every one.

Thresholds were stated before anything was measured, but for that of C7b, which let the
paper's own example of a poor model pass.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.verdict.correlations import rank_correlation
from experiments.verdict.members import Members, Statistic


@dataclass(frozen=True)
class Tendency:
    """A finding about models as a whole: a statistic, and the side where it holds.

    `share_of`: the statistic is a share of this part of the models.
    """

    name: str
    text: str
    statistic: Statistic
    threshold: float
    above: bool = True
    share_of: float | None = None


@dataclass(frozen=True)
class Universal:
    """A finding about every model: where its margin is positive.

    By three of its errors, where one is known: a model with a smaller margin decides
    nothing.
    """

    name: str
    text: str
    margin: Callable[[Members], np.ndarray]
    error: str | None = None


def _exceptions(of: str, above_median: bool) -> Statistic:
    """The share of a column's lowest quarter that is on the wrong side of sigma."""

    def statistic(members: Members) -> float:
        column, sigma = members[of], members["sigma"]
        median = np.median(sigma)
        wrong = sigma > median if above_median else sigma < median
        return float(np.mean(wrong[column <= np.quantile(column, 0.25)]))

    return statistic


def _settled(members: Members) -> float:
    settled = np.abs(members["late_change"]) < 0.25
    return float(np.mean((members["rise"] > 1) & settled))


def _long_time(members: Members) -> float:
    return float(np.quantile(np.minimum(members["tau"], 1e6), 0.75))


TENDENCIES = (
    Tendency(
        "C1",
        "the likelihood rises and settles: share of models that rose by over 1 nat and "
        "changed by less than 0.25 nats between the last two fifths of training",
        _settled,
        0.9,
        share_of=1,
    ),
    Tendency(
        "C3",
        "low L only at low sigma: share of the lowest quarter in L with sigma above "
        "the median",
        _exceptions("log_likelihood", True),
        0.1,
        above=False,
        share_of=0.25,
    ),
    Tendency(
        "C4",
        "low KL only at large sigma: share of the lowest quarter in KL with sigma "
        "below the median",
        _exceptions("kl", False),
        0.1,
        above=False,
        share_of=0.25,
    ),
    Tendency(
        "C5a",
        "tau grows with sigma: Spearman's rank correlation",
        rank_correlation("tau", "sigma"),
        0.5,
    ),
    Tendency(
        "C5b",
        "to about 50: upper quartile of tau above 35 double steps",
        _long_time,
        35,
    ),
    Tendency(
        "C5c",
        "to about 50: upper quartile of tau below 90 double steps",
        _long_time,
        90,
        above=False,
    ),
)
"""Findings about models as a whole."""

IN_EVERY_MODEL = (
    Universal(
        "C2a",
        "sigma > 0: above 0.001 nats per double step",
        lambda m: m["sigma_corrected"] - 1e-3,
        "sigma_error",
    ),
    Universal(
        "C6",
        "mean self-transition below 1/L",
        lambda m: 1 / m["units"] - m["self_transition"],
        "self_transition_error",
    ),
)
"""Findings about every model."""

IN_EVERY_BEST_RUN = (
    Universal(
        "C7a",
        "near-uniform occupancy: entropy of p_bar over ln L above 0.95",
        lambda m: m["evenness"] - 0.95,
    ),
    Universal(
        "C7b",
        "about two latents a digit: no digit's number of latents further from L/3 than "
        "a quarter of it",
        lambda m: 0.25 - m["worst_class"],
    ),
    Universal(
        "C7c",
        "one dominant off-diagonal entry a row: the smallest of the rows' largest "
        "entries above 0.5",
        lambda m: m["least_dominant"] - 0.5,
    ),
)
"""Findings about the model of highest likelihood in every ensemble."""

OF_LABELS = ("C4", "C7b")
"""Findings that need classes."""
