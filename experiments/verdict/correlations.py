"""Rank correlations with sigma, and what is left of them at equal values of a third.

A chain that is nearly deterministic visits all states of its cycle equally often: sigma
may only be large where p_bar is even, whatever made it so. The control for L and KL is
the evenness of p_bar, for tau the conditional entropy H of M.
"""

import numpy as np
from scipy import stats

from experiments.report.tables import markdown_table
from experiments.verdict.intervals import bootstrap_interval
from experiments.verdict.members import Members, Statistic


def rank_correlation(left: str, right: str) -> Statistic:
    """Spearman's correlation of two columns, nan where one of them is constant."""

    def statistic(members: Members) -> float:
        return float(_correlations(members, left, right)[0, 1])

    return statistic


def partial_rank_correlation(left: str, right: str, given: str) -> Statistic:
    """Of what a regression on the ranks of `given` leaves of two columns' ranks."""

    def statistic(members: Members) -> float:
        rho = _correlations(members, left, right, given)
        left_over = 1 - rho[:2, 2] ** 2
        # Nothing but rounding, of ranks that are those of `given`.
        if not (left_over > 1e-12).all():
            return float("nan")
        together = rho[0, 1] - rho[0, 2] * rho[1, 2]
        return float(together / np.sqrt(left_over.prod()))

    return statistic


OF_MODELS = {
    "L": rank_correlation("log_likelihood", "sigma"),
    "evenness": rank_correlation("evenness", "sigma"),
    "L at equal evenness": partial_rank_correlation(
        "log_likelihood", "sigma", "evenness"
    ),
    "evenness at equal L": partial_rank_correlation(
        "evenness", "sigma", "log_likelihood"
    ),
    "tau": rank_correlation("tau", "sigma"),
    "H": rank_correlation("conditional_entropy", "sigma"),
    "tau at equal H": partial_rank_correlation("tau", "sigma", "conditional_entropy"),
    "H at equal tau": partial_rank_correlation("conditional_entropy", "sigma", "tau"),
}
OF_LABELS = {
    "KL": rank_correlation("kl", "sigma"),
    "KL at equal evenness": partial_rank_correlation("kl", "sigma", "evenness"),
}


def correlations_table(groups: dict[str, Members]) -> str:
    """One column a set of models: correlations with sigma, with 95 % intervals."""
    labelled = all("kl" in members for members in groups.values())
    statistics = OF_MODELS | (OF_LABELS if labelled else {})
    return markdown_table(
        {
            name: {
                f"{group} ({len(members['sigma'])})": _in_words(statistic, members)
                for group, members in groups.items()
            }
            for name, statistic in statistics.items()
        },
        "rho with sigma",
    )


def _in_words(statistic: Statistic, members: Members) -> str:
    low, high = bootstrap_interval(statistic, members)
    return f"{statistic(members):.2f} [{low:.2f}, {high:.2f}]"


def _correlations(members: Members, *names: str) -> np.ndarray:
    ranks = np.stack([stats.rankdata(members[name]) for name in names])
    if (ranks.std(axis=1) == 0).any():
        return np.full((len(names), len(names)), np.nan)
    return np.corrcoef(ranks)
