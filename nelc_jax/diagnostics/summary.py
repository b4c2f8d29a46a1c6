"""All scalar diagnostics of a model at once, from one averaged kernel."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from .._bernoulli import weighted_log_prob
from .._checks import check_count, check_points, checked
from .._linear import at_least_single
from ..markov import stationary_distribution
from ..model import Model, forward_log_prob
from ._averages import (
    average_log_transitions,
    combine_batches,
    leave_one_out,
    log_transition_batches,
)
from .spectrum import mean_self_transition, relaxation_time
from .thermodynamics import entropy_production_rate_log

__all__ = ["Summary", "summarize", "summarize_batches"]


class Summary(eqx.Module):
    """What Figs. 2 and 4 show of one model, in single precision at least.

    `log_likelihood` in nats a point (eq. 7), `entropy_production_rate` in nats per
    double step (21), `relaxation_time` in double steps (23), `mean_self_transition`
    (24), `min_occupancy`, the smallest p_bar(z); the kernel M and p_bar they rest on,
    and ln M, which knows the transitions that underflow in M.
    """

    log_likelihood: Float[Array, "*b"]
    entropy_production_rate: Float[Array, "*b"]
    relaxation_time: Float[Array, "*b"]
    mean_self_transition: Float[Array, "*b"]
    min_occupancy: Float[Array, "*b"]
    latent_kernel: Float[Array, "*b S S"]
    log_latent_kernel: Float[Array, "*b S S"]
    occupancy: Float[Array, "*b S"]


@checked
def summarize(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, "N D"],
    num_samples: int,
    occupancy: Float[Array, " S"] | None = None,
) -> Summary:
    """Measure a model with an enumerable latent space.

    M is averaged over `num_samples` draws of x a latent state
    (`average_log_transitions`), p_bar is its stationary law, and the likelihood of all
    of `x` follows from p_bar.

    **Arguments:** typed `key`; data `x`; `num_samples`; `occupancy`, p_bar where it is
    known: the kernel of a trained RBM is reducible to rounding and does not fix it.

    **Raises:** `ValueError` for a `num_samples` below 1, or when `x` has no points.
    """
    check_points("x", x)
    model, occupancy = at_least_single((model, occupancy))
    log_A = forward_log_prob(model, model.latent.states(), x)
    return _summary(average_log_transitions(model, key, num_samples), log_A, occupancy)


@checked
def summarize_batches(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, "N D"],
    num_samples: int,
    num_batches: int,
    occupancy: Float[Array, " S"] | None = None,
) -> tuple[Summary, Summary]:
    """`summarize`, and the same without each batch of samples in turn.

    **Arguments:** as `summarize`; `num_batches`, B >= 2.

    **Returns:** the `Summary` of all samples, and one with a leading axis B for
    `uncertainty.jackknife_error` and `jackknife_bias`.

    **Raises:** `ValueError` for a B below 2, or when `x` has no points.
    """
    check_count("num_batches", num_batches, 2, "batches")
    check_points("x", x)
    model, occupancy = at_least_single((model, occupancy))
    log_A = forward_log_prob(model, model.latent.states(), x)
    batches = log_transition_batches(model, key, num_samples, num_batches)
    kernels = jnp.concatenate([combine_batches(batches)[None], leave_one_out(batches)])
    # In turn: compiled once, and a mixture over N points for each would add up.
    summaries = jax.lax.map(lambda log_M: _summary(log_M, log_A, occupancy), kernels)
    return (
        jax.tree.map(lambda array: array[0], summaries),
        jax.tree.map(lambda array: array[1:], summaries),
    )


def _summary(
    log_M: Float[Array, "S S"],
    log_A: Float[Array, "N S"],
    occupancy: Float[Array, " S"] | None,
) -> Summary:
    M = jnp.exp(log_M)
    p_bar = stationary_distribution(M) if occupancy is None else occupancy
    return Summary(
        log_likelihood=jnp.mean(weighted_log_prob(p_bar, log_A)),
        entropy_production_rate=entropy_production_rate_log(log_M, p_bar),
        relaxation_time=relaxation_time(M),
        mean_self_transition=mean_self_transition(M),
        min_occupancy=jnp.min(p_bar),
        latent_kernel=M,
        log_latent_kernel=log_M,
        occupancy=p_bar,
    )
