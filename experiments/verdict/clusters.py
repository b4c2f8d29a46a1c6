"""The clusters of models in (L, sigma) by name: optima of the mixture of L components.

A one-hot model is a mixture (eq. 5), and steps of EM take it to the optimum in whose
basin its training ended. How many of its states draw each class names that optimum:
(2,2,2) of six states and three classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data.dataset import Dataset
from experiments.report.tables import markdown_table
from experiments.runs.directory import Run
from experiments.runs.finished import models_of
from experiments.verdict.intervals import homogeneity
from experiments.verdict.members import Members
from nelc_jax.baselines import BernoulliMixture, mixture
from nelc_jax.model import Model, state_logits

STEPS = 25
"""Of EM; the last one gains less than 3e-4 nats on the paper's digits."""

STUCK = 0.5
"""A model is at a poor optimum that is this many nats below the best one of all."""


def optima_of(run: Run, train: Dataset) -> Members:
    """The `optimum` of each model in nats a point, and of labelled data its `pattern`.

    A state is of the class of most of the points that it is responsible for; one that
    is left with less than a point is of none.
    """
    tiny = float(np.finfo(np.float32).tiny)
    log_weights = np.log(np.maximum(run.arrays["occupancy"], tiny))
    labels = None
    if train.labels is not None:
        labels = jnp.asarray(np.eye(len(train.class_names))[train.labels], jnp.float32)
    optimum, per_class = _polish(
        models_of(run), jnp.asarray(log_weights), jnp.asarray(train.x), labels
    )
    found = {"optimum": np.asarray(optimum, float)}
    if labels is not None:
        found["pattern"] = np.array([_name(one) for one in np.asarray(per_class)])
    return found


@jax.jit
def _polish(models: Model, log_weights, x, labels):
    def one(model, log_weights):
        start = BernoulliMixture(log_weights, state_logits(model))
        now, _ = mixture.fit(start, x, STEPS)
        optimum = mixture.log_likelihood(now, x)
        if labels is None:
            return optimum, None

        def of_classes(log_weights):
            weighted = BernoulliMixture(log_weights, now.logits)
            return mixture.log_prob(weighted, x) @ labels

        # The derivative of ln p(x) by ln weight_k is the responsibility of k for x.
        return optimum, jax.jacrev(of_classes)(now.log_weights).T

    return jax.vmap(one)(models, log_weights)


def _name(points: np.ndarray) -> str:
    """How states are shared among classes, from the points that each has of each."""
    used = points[points.sum(axis=1) >= 1]
    counts = np.bincount(used.argmax(axis=1), minlength=points.shape[1])
    return f"({','.join(map(str, counts))})"


def best_pattern(members: Members) -> str:
    """The most frequent pattern of models at the best optimum."""
    return Counter(members["pattern"][~is_stuck(members)]).most_common(1)[0][0]


def is_stuck(members: Members, best: float | None = None) -> np.ndarray:
    """Which models are at poor optima; `best`, the best optimum known elsewhere."""
    optimum = members["optimum"]
    return optimum < (optimum.max() if best is None else best) - STUCK


def patterns_table(members: Members) -> str:
    """One row a pattern, the highest optimum first, with medians over its models."""
    names = np.unique(members["pattern"])
    of_name = {name: members["pattern"] == name for name in names}
    by_optimum = sorted(of_name, key=lambda n: -members["optimum"][of_name[n]].max())

    def median(column: str, name: str) -> float:
        values = np.minimum(members[column][of_name[name]], 1e6)
        return float(np.median(values))

    return markdown_table(
        {
            name: {
                "models": str(of_name[name].sum()),
                "optimum of EM, highest": (
                    f"{members['optimum'][of_name[name]].max():.2f}"
                ),
                "its median": f"{median('optimum', name):.2f}",
                "L before EM": f"{median('log_likelihood', name):.2f}",
                "evenness of p_bar": f"{median('evenness', name):.3f}",
                "sigma": f"{median('sigma', name):.2f}",
                "tau": f"{median('tau', name):.1f}",
            }
            for name in by_optimum
        },
        "States of each class",
    )


def frequencies_table(groups: dict[str, Members]) -> str:
    """How many of the models of each reading are of each pattern."""
    found = {group: Counter(members["pattern"]) for group, members in groups.items()}
    names = sum(found.values(), Counter()).most_common()
    return markdown_table(
        {
            name: {group: f"{counts[name]}" for group, counts in found.items()}
            for name, _ in names
        },
        "States of each class",
    )


def homogeneity_table(groups: Mapping[str, Sequence[Members]]) -> str:
    """Whether the models at poor optima are as frequent in every ensemble."""
    table = {}
    for group, ensembles in groups.items():
        best = max(members["optimum"].max() for members in ensembles)
        stuck = [int(is_stuck(members, best).sum()) for members in ensembles]
        sizes = [len(members["optimum"]) for members in ensembles]
        statistic, freedom, p = homogeneity(stuck, sizes)
        table[group] = {
            "models": str(sum(sizes)),
            "at poor optima": f"{sum(stuck) / sum(sizes):.1%}",
            "in an ensemble": f"{min(stuck)} to {max(stuck)}",
            "chi^2": "–" if np.isnan(p) else f"{statistic:.1f}",
            "degrees of freedom": str(freedom),
            "p": "–" if np.isnan(p) else f"{p:.2g}",
        }
    return markdown_table(table, "Ensembles")
