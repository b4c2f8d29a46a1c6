"""Correlations of ranks against laws where they are known."""

import numpy as np
import pytest

from experiments.verdict import intervals
from experiments.verdict.correlations import (
    OF_LABELS,
    OF_MODELS,
    correlations_table,
    partial_rank_correlation,
    rank_correlation,
)

partial = partial_rank_correlation("x", "sigma", "z")
plain = rank_correlation("x", "sigma")


def normal(r_xy, r_xz, r_yz, count=20_000):
    """Normal columns with these correlations, stretched: only ranks keep them."""
    covariance = [[1, r_xy, r_xz], [r_xy, 1, r_yz], [r_xz, r_yz, 1]]
    rng = np.random.default_rng(0)
    x, y, z = rng.multivariate_normal(np.zeros(3), covariance, count).T
    return {"x": np.exp(x), "sigma": y**3, "z": -1 / (1 + np.exp(z))}


@pytest.mark.parametrize("given", [0.6, -0.4, 0.0])
def test_partial_correlation_of_normal_numbers(given):
    """x and y that have the correlation `given` at fixed z: 0.8 z and 0.5 z with noise.

    The ranks of normal numbers have the correlation 6/pi asin(r/2).
    """
    r_xz, r_yz = 0.8, 0.5
    r_xy = given * np.sqrt((1 - r_xz**2) * (1 - r_yz**2)) + r_xz * r_yz
    members = normal(r_xy, r_xz, r_yz)
    xy, xz, yz = 6 / np.pi * np.arcsin(np.array([r_xy, r_xz, r_yz]) / 2)
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    # One over the root of 20,000 is 0.007.
    assert plain(members) == pytest.approx(xy, abs=0.025)
    assert partial(members) == pytest.approx(expected, abs=0.025)
    # That of ranks is the one of the numbers to a few hundredths; the plain one is not.
    assert partial(members) == pytest.approx(given, abs=0.06)
    assert abs(plain(members) - given) > 0.06


def test_partial_correlation_is_that_of_residuals():
    members = {k: v[:50] for k, v in normal(0.7, 0.6, 0.3).items()}
    ranks = {k: np.argsort(np.argsort(v)) for k, v in members.items()}

    def left(name):
        fit = np.polyfit(ranks["z"], ranks[name], 1)
        return ranks[name] - np.polyval(fit, ranks["z"])

    expected = np.corrcoef(left("x"), left("sigma"))[0, 1]
    assert partial(members) == pytest.approx(expected)


def test_what_is_constant_or_given_has_none():
    members = normal(0.5, 0.5, 0.5, 100)
    assert np.isnan(plain(members | {"x": np.ones(100)}))
    assert np.isnan(partial(members | {"x": members["z"]}))


def test_the_table(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 10)
    names = ("log_likelihood", "evenness", "tau", "conditional_entropy", "kl", "sigma")
    columns = np.random.default_rng(0).standard_normal((6, 30))
    members = dict(zip(names, columns, strict=True))
    members["tau"] = -members["sigma"]
    rows = correlations_table({"all": members}).splitlines()[2:]
    found = dict(row.strip("| ").split(" | ") for row in rows)
    assert list(found) == [*OF_MODELS, *OF_LABELS]
    assert found["tau"] == "-1.00 [-1.00, -1.00]"
    del members["kl"]
    rows = correlations_table({"all": members}).splitlines()[2:]
    assert len(rows) == len(OF_MODELS)
