"""Intervals cover as they say, and judge as they should."""

import numpy as np
import pytest
from scipy import stats

from experiments.verdict.claims import CLAIMS, Claim
from experiments.verdict.judgements import judge, share_interval


def members(seed=0, size=40, **columns):
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(0, 10, size)
    return {"sigma": sigma, "log_likelihood": -150 + rng.random(size), **columns}


def test_intervals_cover_as_stated():
    """Of 100 data sets with a mean of 1, the intervals of about 95 hold it."""
    claim = Claim("mean", "", lambda m: float(np.mean(m["value"])), 0.0)
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(1000 + seed)
        data = [members(value=1 + rng.standard_normal(40)) for _ in range(20)]
        found = judge(claim, data, seed, resamples=200)
        covered += found.low <= 1 <= found.high
        assert found.low <= found.value <= found.high
    # Two-level resampling counts the spread of members twice: on the safe side.
    assert covered >= 92


@pytest.mark.parametrize(
    ("offset", "above", "expected"),
    [
        (1.0, True, "holds"),
        (-1.0, True, "does not hold"),
        (0.0, True, "undecided"),
        (-1.0, False, "holds"),
    ],
)
def test_verdicts(offset, above, expected):
    claim = Claim("mean", "", lambda m: float(np.mean(m["value"])), 0.0, above)
    noise = np.random.default_rng(0).standard_normal(40)
    noise -= noise.mean()
    found = judge(claim, [members(value=offset + noise)] * 3)
    assert found.verdict == expected


@pytest.mark.parametrize(("share", "count"), [(1, 180), (0, 45), (0.3, 20)])
def test_share_interval(share, count):
    """The law of the share at either end, by its definition."""
    low, high = share_interval(share, count)
    successes = round(share * count)
    above = stats.binom(count, low).sf(successes - 1) if successes else 0.025
    below = stats.binom(count, high).cdf(successes) if successes < count else 0.025
    np.testing.assert_allclose((above, below), 0.025, rtol=1e-6)


def test_all_of_many_models_are_not_all_models():
    """180 of 180 leave two in a hundred open, which resampling does not see."""
    by_name = {claim.name: claim for claim in CLAIMS}
    ensembles = [
        {
            "sigma_corrected": np.ones(36),
            "sigma_error": np.zeros(36),
            "sigma": np.ones(36),
        }
    ] * 5
    found = judge(by_name["C2a"], ensembles, resamples=10)
    assert (found.value, found.high, found.verdict) == (1, 1, "undecided")
    assert 0.97 < found.low < 0.985


def test_interval_of_few_ensembles():
    """Student's t covers the mean of five normal numbers as often as it says."""
    claim = Claim("mean", "", lambda m: float(m["value"][0]), 0.0, per_ensemble=True)
    covered = 0
    for seed in range(400):
        values = np.random.default_rng(seed).standard_normal(5)
        found = judge(claim, [members(value=np.full(2, v)) for v in values])
        covered += found.low <= 0 <= found.high
    # 95 % +- 1.1 %; the percentiles of resampled means would reach 84 %.
    assert 0.92 < covered / 400 < 0.98
    alone = judge(claim, [members(value=np.ones(2))])
    assert np.isnan(alone.low)
    assert alone.verdict == "undecided"
