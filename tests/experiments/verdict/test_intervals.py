"""Intervals, bounds and tests against their definitions."""

import numpy as np
import pytest
from scipy import stats

from experiments.verdict import intervals
from experiments.verdict.intervals import (
    bootstrap_interval,
    highest_rate,
    homogeneity,
    share_interval,
)


def test_bootstrap_intervals_cover_as_stated(monkeypatch):
    """Of 200 samples of 100 models with a mean of 1, the intervals of 95 % hold it."""
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    covered = 0
    for seed in range(200):
        sigma = 1 + np.random.default_rng(1000 + seed).standard_normal(100)
        low, high = bootstrap_interval(lambda m: np.mean(m["sigma"]), {"sigma": sigma})
        covered += low <= 1 <= high
    # 95 % +- 1.5 %, less 0.7 % of percentiles of 200: within three errors.
    assert 0.9 < covered / 200 < 0.99


@pytest.mark.parametrize(("successes", "count"), [(180, 180), (0, 45), (6, 20)])
def test_share_interval(successes, count):
    """The law of the count at either end, by its definition."""
    low, high = share_interval(successes, count)
    above = stats.binom(count, low).sf(successes - 1) if successes else 0.025
    below = stats.binom(count, high).cdf(successes) if successes < count else 0.025
    np.testing.assert_allclose((above, below), 0.025, rtol=1e-6)


@pytest.mark.parametrize("seen", [0, 1, 7])
def test_highest_rate(seen):
    """At it, so few would be seen with a probability of 5 %; three in n for none."""
    rate = highest_rate(seen, 1080)
    assert stats.binom(1080, rate).cdf(seen) == pytest.approx(0.05, rel=1e-6)
    if not seen:
        assert rate == pytest.approx(3 / 1080, rel=0.01)


def test_homogeneity():
    """SciPy's test, and groups that no chance makes."""
    counts, sizes = [15, 13, 11, 17], [36] * 4
    statistic, freedom, p = homogeneity(counts, sizes)
    table = [counts, [36 - n for n in counts]]
    np.testing.assert_allclose((statistic, p), stats.chi2_contingency(table)[:2])
    assert freedom == 3
    assert p > 0.5
    # Control.
    assert homogeneity([5, 5, 30, 5], sizes)[2] < 1e-6
    assert np.isnan(homogeneity([0, 0], [36, 36])[2])
    assert np.isnan(homogeneity([3], [36])[2])
