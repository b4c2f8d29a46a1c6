"""The models of ensembles as columns: one entry a model, those of all ensembles pooled.

Models have seeds of their own and learn nothing of one another: which ensemble one is
of says nothing (`intervals.homogeneity` tests it), and all are one sample.
"""

from collections.abc import Callable, Sequence

import numpy as np

from experiments.runs.directory import Run

Members = dict[str, np.ndarray]
Statistic = Callable[[Members], float]


def members_of(run: Run) -> Members:
    """What the findings are about, of every model of a run."""
    models = run.models
    epochs, likelihood = run.over_epochs("log_likelihood")
    fifth = max(1, len(epochs) // 5)
    kernel, occupancy = run.arrays["latent_kernel"], run.arrays["occupancy"]
    size = kernel.shape[-1]
    off_diagonal = np.where(np.eye(size, dtype=bool)[None], 0, kernel)
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
        "evenness": _entropy(occupancy) / np.log(size),
        "conditional_entropy": np.sum(occupancy * _entropy(kernel), axis=1),
        "least_dominant": off_diagonal.max(axis=2).min(axis=1),
    }
    if "kl_divergence" in models:
        # A model that never draws some class has an infinite one.
        members["kl"] = np.minimum(models["kl_divergence"], 1e6)
        classes = run.arrays["classes"]
        count = len(run.config["class_names"])
        per_class = (classes[:, :, None] == np.arange(count)[None, None]).sum(1)
        members["worst_class"] = np.abs(per_class * count / size - 1).max(axis=1)
    return {name: np.asarray(column, float) for name, column in members.items()}


def pooled(tables: Sequence[Members]) -> Members:
    """The columns of several ensembles, one after the other."""
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}


def rows(members: Members, chosen: np.ndarray) -> Members:
    """Some of the models, by numbers or by a mask."""
    return {name: column[chosen] for name, column in members.items()}


def _entropy(p: np.ndarray) -> np.ndarray:
    """Of each law along the last axis, in nats."""
    return -np.sum(p * np.log(np.maximum(p, np.finfo(np.float32).tiny)), axis=-1)
