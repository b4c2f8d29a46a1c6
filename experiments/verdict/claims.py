"""The paper's findings as statistics: each holds on one side of a threshold.

A statistic is a function of the models of one or more ensembles, columns of numbers
with one entry a model. The thresholds were stated before anything was measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.mixture import GaussianMixture

from experiments.runs.directory import Run

Members = dict[str, np.ndarray]


@dataclass(frozen=True)
class Claim:
    """A finding, the statistic that judges it, and the side on which it holds.

    `per_ensemble`: the statistic takes each ensemble alone, the values are averaged,
    and their interval is that of Student's t: a best run or a number of clusters is a
    property of whole ensembles, of which there are few. `share_of`: the statistic is a
    share of this part of the models.
    """

    name: str
    text: str
    statistic: Callable[[Members], float]
    threshold: float
    above: bool = True
    per_ensemble: bool = False
    share_of: float | None = None


def members_of(run: Run) -> Members:
    """The columns that the claims need, one entry a model."""
    models = run.models
    epochs, likelihood = run.over_epochs("log_likelihood")
    fifth = max(1, len(epochs) // 5)
    kernel, occupancy = run.arrays["latent_kernel"], run.arrays["occupancy"]
    size = kernel.shape[-1]
    off_diagonal = np.where(np.eye(size, dtype=bool)[None], 0, kernel)
    p = np.maximum(occupancy, np.finfo(np.float32).tiny)
    members = {
        "log_likelihood": models["log_likelihood"],
        "rise": likelihood[:, -1] - likelihood[:, 0],
        "late_change": likelihood[:, -fifth:].mean(1)
        - likelihood[:, -2 * fifth : -fifth].mean(1),
        "sigma": models["entropy_production_rate"],
        "sigma_corrected": models["entropy_production_rate"]
        - models["entropy_production_rate_bias"],
        "sigma_error": models["entropy_production_rate_error"],
        "tau": models["relaxation_time"],
        "self_transition": models["mean_self_transition"],
        "self_transition_error": models["mean_self_transition_error"],
        "units": np.full(len(kernel), size),
        "evenness": -np.sum(p * np.log(p), axis=1) / np.log(size),
        "least_dominant": off_diagonal.max(axis=2).min(axis=1),
    }
    if "kl_divergence" in models:
        # A model that never draws some class has an infinite one.
        members["kl"] = np.minimum(models["kl_divergence"], 1e6)
        classes = run.arrays["classes"]
        count = classes.max() + 1
        per_class = (classes[:, :, None] == np.arange(count)[None, None]).sum(1)
        share = size / count
        members["worst_class"] = np.abs(per_class / share - 1).max(axis=1)
    return {name: np.asarray(column, float) for name, column in members.items()}


def _share(condition) -> Callable[[Members], float]:
    return lambda members: float(np.mean(condition(members)))


def _exceptions(of: str, lowest: bool, above_median: bool):
    """The share of a column's outer quarter that is on the wrong side of sigma."""

    def statistic(members: Members) -> float:
        column, sigma = members[of], members["sigma"]
        quarter = column <= np.quantile(column, 0.25 if lowest else 0.75)
        median = np.median(sigma)
        wrong = sigma > median if above_median else sigma < median
        return float(np.mean(wrong[quarter]))

    return statistic


def rank_correlation(left: str, right: str) -> Callable[[Members], float]:
    """Spearman's correlation of two columns, nan where one of them is constant."""

    def statistic(members: Members) -> float:
        # An infinite time is the longest.
        values = np.where(np.isinf(members[left]), 1e30, members[left])
        ranks = np.stack([stats.rankdata(values), stats.rankdata(members[right])])
        if (ranks.std(axis=1) == 0).any():
            return float("nan")
        return float(np.corrcoef(ranks)[0, 1])

    return statistic


def three_clusters(members: Members) -> float:
    """BIC of the best mixture of another number of Gaussians, minus that of three.

    In (L, sigma), each divided by its spread; one to six components.
    """
    points = np.stack([members["log_likelihood"], members["sigma"]], axis=1)
    points = (points - points.mean(0)) / np.maximum(points.std(0), 1e-12)
    scores = [
        GaussianMixture(k, reg_covar=1e-3, n_init=2, random_state=0)
        .fit(points)
        .bic(points)
        for k in range(1, min(6, len(points)) + 1)
    ]
    others = [score for k, score in enumerate(scores, start=1) if k != 3]
    return float(min(others) - scores[2])


def _of_best(column: str):
    return lambda members: float(members[column][np.argmax(members["log_likelihood"])])


CLAIMS = (
    Claim(
        "C1",
        "the likelihood rises and settles: share of models that rose by over 1 nat and "
        "changed by less than 0.25 nats between the last two fifths of training",
        _share(lambda m: (m["rise"] > 1) & (np.abs(m["late_change"]) < 0.25)),
        0.9,
        share_of=1,
    ),
    Claim(
        "C2a",
        "sigma > 0 in every model: share with sigma, less its bias, above 3 errors",
        _share(lambda m: m["sigma_corrected"] > 3 * m["sigma_error"]),
        0.99,
        share_of=1,
    ),
    Claim(
        "C2b",
        "three clusters in (L, sigma): BIC in favour of three Gaussians over any other "
        "number",
        three_clusters,
        0.0,
        per_ensemble=True,
    ),
    Claim(
        "C3",
        "low L only at low sigma: share of the lowest quarter in L with sigma above "
        "the median",
        _exceptions("log_likelihood", True, True),
        0.1,
        above=False,
        share_of=0.25,
    ),
    Claim(
        "C4",
        "low KL only at large sigma: share of the lowest quarter in KL with sigma "
        "below the median",
        _exceptions("kl", True, False),
        0.1,
        above=False,
        share_of=0.25,
    ),
    Claim(
        "C5a",
        "tau grows with sigma: Spearman's rank correlation",
        rank_correlation("tau", "sigma"),
        0.5,
    ),
    Claim(
        "C5b",
        "to about 50: upper quartile of tau above 35 double steps",
        lambda m: float(np.quantile(np.minimum(m["tau"], 1e6), 0.75)),
        35,
    ),
    Claim(
        "C5c",
        "to about 50: upper quartile of tau below 90 double steps",
        lambda m: float(np.quantile(np.minimum(m["tau"], 1e6), 0.75)),
        90,
        above=False,
    ),
    Claim(
        "C6",
        "mean self-transition below 1/L in every model: share below by 3 errors",
        _share(
            lambda m: (
                m["self_transition"] + 3 * m["self_transition_error"] < 1 / m["units"]
            )
        ),
        0.99,
        share_of=1,
    ),
    Claim(
        "C7a",
        "the best run has near-uniform occupancy: entropy of p_bar over ln L",
        _of_best("evenness"),
        0.95,
        per_ensemble=True,
    ),
    Claim(
        "C7b",
        "about two latents a digit in the best run: largest deviation of a digit's "
        "number of latents from L/3, relative",
        _of_best("worst_class"),
        0.75,
        above=False,
        per_ensemble=True,
    ),
    Claim(
        "C7c",
        "one dominant off-diagonal entry a row in the best run: the smallest of the "
        "rows' largest entries",
        _of_best("least_dominant"),
        0.5,
        per_ensemble=True,
    ),
)
