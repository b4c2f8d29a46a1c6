"""What was measured of an ensemble, as the columns of `models.csv` and arrays."""

from collections import OrderedDict
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.compilation import Effort, Program
from experiments.data.dataset import Dataset
from experiments.training.measure import LARGE, Likelihood, Measured
from nelc_jax.diagnostics import classes, thermodynamics, transitions
from nelc_jax.diagnostics.cycles import fundamental_cycles
from nelc_jax.diagnostics.uncertainty import jackknife_bias, jackknife_error
from nelc_jax.model import Model


def model_table(
    measured: Measured | Likelihood, model: Model, dataset: Dataset
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The columns of `models.csv` and the arrays of the checkpoint, for all models.

    Columns with `_error` are standard errors of the Monte-Carlo averages, at fixed
    parameters. `entropy_production_rate_bias` is the jackknife's estimate: subtracted,
    it makes the rate of a model at equilibrium scatter around zero. The dominant cycle
    is the fundamental one of the largest contribution to it (`cycles`). Of latent
    states that are sampled, the likelihood alone.
    """
    if isinstance(measured, Likelihood):
        return {"log_likelihood": np.asarray(measured.log_likelihood)}, {}
    summary = measured.summary
    small = summary.occupancy.shape[-1] <= LARGE
    effort = Effort.LEAST if small else Effort.ALL
    columns = dict(_columns(measured, effort=effort))
    arrays = {
        "latent_kernel": summary.latent_kernel,
        "log_latent_kernel": summary.log_latent_kernel,
        "occupancy": summary.occupancy,
        "transition_counts": measured.pairs,
    }
    if dataset.labels is not None:
        arrays["classes"], kl, kl_error = _class_kl(
            measured,
            model,
            dataset.x,
            dataset.labels,
            len(dataset.class_names),
            effort=effort,
        )
        columns |= {"kl_divergence": kl, "kl_divergence_error": kl_error}
    return (
        {name: np.asarray(column) for name, column in columns.items()},
        {name: np.asarray(array) for name, array in arrays.items()},
    )


# Compiled as a whole: operation by operation, compiling them takes many times longer.
@Program
def _columns(measured: Measured) -> OrderedDict[str, jax.Array]:
    """The columns that need no data, in their order; jit would sort those of a dict."""
    summary = measured.summary
    error = jax.vmap(jackknife_error)(measured.replicates)
    bias = jax.vmap(jackknife_bias)(summary, measured.replicates)
    counted, counted_occupancy = jax.vmap(transitions.kernel_from_counts)(
        measured.pairs
    )
    resolution = 1 / measured.pairs.sum(axis=(1, 2))
    columns: dict[str, Any] = {}
    for name in (
        "log_likelihood",
        "entropy_production_rate",
        "relaxation_time",
        "mean_self_transition",
        "min_occupancy",
    ):
        columns[name] = getattr(summary, name)
        columns[f"{name}_error"] = getattr(error, name)
    columns |= {
        "entropy_production_rate_bias": bias.entropy_production_rate,
        "entropy_production_rate_counts": jax.vmap(
            thermodynamics.entropy_production_rate
        )(counted, counted_occupancy, resolution),
        "one_way_pairs": jax.vmap(thermodynamics.one_way_pairs)(
            counted, counted_occupancy
        ),
        "whole_chain_entropy_production": measured.whole_chain.value,
        "whole_chain_entropy_production_error": measured.whole_chain.error,
    }
    cycles = jax.vmap(fundamental_cycles)(summary.log_latent_kernel, summary.occupancy)
    for name in ("current", "affinity", "contribution"):
        # A single latent state has no cycle.
        largest = getattr(cycles, name)[:, :1].sum(axis=1)
        columns[f"dominant_cycle_{name}"] = largest
    return OrderedDict(columns)


@partial(Program, static_argnums=4)
def _class_kl(measured: Measured, model: Model, x, labels, num_classes: int):
    """The class of every latent state, and eq. 22 of every model with its error."""
    dtype = measured.summary.occupancy.dtype
    data_share = jnp.bincount(labels, length=num_classes).astype(dtype) / len(labels)

    def one(arguments):
        model, occupancy, replicates = arguments
        of_state = classes.latent_classes(model, x, labels, num_classes)

        def kl(p_bar):
            share = classes.class_distribution(p_bar, of_state, num_classes)
            return classes.class_kl(data_share, share)

        return of_state, kl(occupancy), jackknife_error(jax.vmap(kl)(replicates))

    # Members in turn: the S x N x K comparison of a large latent space adds up.
    return jax.lax.map(
        one, (model, measured.summary.occupancy, measured.replicates.occupancy)
    )
