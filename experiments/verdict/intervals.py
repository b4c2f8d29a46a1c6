"""How sure a statistic of independent models is: intervals, bounds, and a test."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from experiments.verdict.members import Members, Statistic, rows

RESAMPLES = 1000
"""Samples of a bootstrap."""


def bootstrap_interval(statistic: Statistic, members: Members) -> tuple[float, float]:
    """The middle 95 % of a statistic over models drawn again with replacement."""
    rng = np.random.default_rng(0)
    count = len(members["sigma"])
    values = [
        statistic(rows(members, rng.integers(count, size=count)))
        for _ in range(RESAMPLES)
    ]
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)


def share_interval(successes: int, count: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper and Pearson, 1934)."""
    low, high = stats.beta.ppf(
        (0.025, 0.975),
        (successes, successes + 1),
        (count - successes + 1, count - successes),
    )
    return (low if successes else 0.0, high if successes < count else 1.0)


def highest_rate(seen: int, count: int) -> float:
    """What the rate of something seen `seen` times is below at 95 %: 3 / count of 0."""
    return float(stats.beta.ppf(0.95, seen + 1, count - seen)) if seen < count else 1.0


def homogeneity(
    counts: Sequence[int], sizes: Sequence[int]
) -> tuple[float, int, float]:
    """Pearson's chi^2 of counts in groups of models, its degrees of freedom, and p.

    Where none or all are counted, groups cannot differ: nan.
    """
    table = np.array([counts, np.subtract(sizes, counts)])
    freedom = table.shape[1] - 1
    if (table.sum(axis=1) == 0).any() or freedom == 0:
        return float("nan"), freedom, float("nan")
    expected = table.sum(axis=1)[:, None] * table.sum(axis=0)[None] / table.sum()
    statistic = np.sum((table - expected) ** 2 / expected)
    return float(statistic), freedom, float(stats.chi2.sf(statistic, freedom))
