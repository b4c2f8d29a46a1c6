"""All scalar diagnostics of a model at once, from one averaged kernel."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from ..likelihood import occupancy_log_prob
from ..markov import stationary_distribution
from ..model import Model
from .spectrum import mean_self_transition, relaxation_time
from .thermodynamics import entropy_production_rate_log
from .transitions import average_log_transitions


class Summary(eqx.Module):
    """What Figs. 2 and 4 show of one model.

    `log_likelihood` in nats a point (eq. 7), `entropy_production_rate` in nats per
    double step (21), `relaxation_time` in double steps (23), `mean_self_transition`
    (24), `min_occupancy`, the smallest p_bar(z); the kernel M and p_bar they rest on.
    """

    log_likelihood: Float[Array, ""]
    entropy_production_rate: Float[Array, ""]
    relaxation_time: Float[Array, ""]
    mean_self_transition: Float[Array, ""]
    min_occupancy: Float[Array, ""]
    latent_kernel: Float[Array, "S S"]
    occupancy: Float[Array, " S"]


def summarize(
    model: Model, key: Key[Array, ""], x: Shaped[Array, "N D"], num_samples: int
) -> Summary:
    """Measure a model with an enumerable latent space.

    M is averaged over `num_samples` draws of x a latent state
    (`average_log_transitions`), p_bar is its stationary law, and the likelihood of all
    of `x` follows from p_bar.

    **Arguments:** typed `key`; data `x`; `num_samples`.
    """
    log_M = average_log_transitions(model, key, num_samples)
    M = jnp.exp(log_M)
    p_bar = stationary_distribution(M)
    return Summary(
        log_likelihood=jnp.mean(occupancy_log_prob(model, p_bar, x)),
        entropy_production_rate=entropy_production_rate_log(log_M, p_bar),
        relaxation_time=relaxation_time(M),
        mean_self_transition=mean_self_transition(M),
        min_occupancy=jnp.min(p_bar),
        latent_kernel=M,
        occupancy=p_bar,
    )
