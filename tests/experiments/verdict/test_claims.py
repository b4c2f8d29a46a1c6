"""The statistics of the claims on columns whose values are known."""

import numpy as np
import pytest

from experiments.verdict.claims import CLAIMS, three_clusters


def test_three_clusters_are_found():
    rng = np.random.default_rng(0)
    centres = np.array([[-147, 8], [-148.5, 5], [-150.5, 1]])
    cloud = np.concatenate([c + 0.1 * rng.standard_normal((30, 2)) for c in centres])
    assert three_clusters({"log_likelihood": cloud[:, 0], "sigma": cloud[:, 1]}) > 0
    one = rng.standard_normal((90, 2))
    assert three_clusters({"log_likelihood": one[:, 0], "sigma": one[:, 1]}) < 0


def test_exceptions_are_counted():
    by_name = {claim.name: claim for claim in CLAIMS}
    sigma = np.arange(40.0)
    ordered = {"sigma": sigma, "log_likelihood": sigma - 100, "kl": -sigma}
    assert by_name["C3"].statistic(ordered) == 0
    assert by_name["C4"].statistic(ordered) == 0
    opposite = {"sigma": sigma, "log_likelihood": -sigma, "kl": sigma}
    assert by_name["C3"].statistic(opposite) == 1
    assert by_name["C4"].statistic(opposite) == 1
    tau = {"sigma": sigma, "tau": np.where(sigma > 38, np.inf, sigma)}
    assert by_name["C5a"].statistic(tau) == pytest.approx(1)
