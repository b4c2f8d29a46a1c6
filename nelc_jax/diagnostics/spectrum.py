"""Time scales of the latent chain: relaxation, self-transitions (Sect. IV B)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import checked
from .._linear import contract
from ..markov import stationary_distribution

__all__ = ["mean_self_transition", "relaxation_time", "second_eigenvalue_modulus"]

_SQUARINGS = 50


@checked
def second_eigenvalue_modulus(M: Float[Array, "S S"]) -> Float[Array, ""]:
    """|lambda_2|, the second-largest eigenvalue of M in modulus (below eq. 23).

    The spectral radius of M - 1 p_bar^T (M without its eigenvalue 1), from the growth
    of its 2^50-th power by repeated squaring: products only, on any device, also for
    complex and defective eigenvalues.

    **Arguments:** `M`, row-stochastic.
    """
    deflated = M - stationary_distribution(M)[None]
    tiny = jnp.finfo(M.dtype).tiny

    def square(k, state):
        power, log_radius = state
        norm = jnp.linalg.norm(power)
        power = power / jnp.maximum(norm, tiny)
        log_radius = log_radius + jnp.log(norm) / 2.0**k
        return contract(power, power), log_radius

    init = (deflated, jnp.zeros((), M.dtype))
    power, log_radius = jax.lax.fori_loop(0, _SQUARINGS, square, init)
    log_radius = log_radius + jnp.log(jnp.linalg.norm(power)) / 2.0**_SQUARINGS
    return jnp.minimum(jnp.exp(log_radius), 1.0)


@checked
def relaxation_time(M: Float[Array, "S S"]) -> Float[Array, ""]:
    """tau = -1 / ln |lambda_2| in double steps (eq. 23).

    Infinite for a deterministic cycle and for a chain with two closed classes, zero
    when one double step forgets everything (and for S = 1). An |lambda_2| that rounding
    cannot tell from 1 counts as 1: within 16 S of the working precision.
    """
    modulus = second_eigenvalue_modulus(M)
    resolution = 16 * M.shape[-1] * jnp.finfo(M.dtype).eps
    endless = modulus >= 1 - resolution
    return jnp.where(endless, jnp.inf, -1 / jnp.log(jnp.where(endless, 0.5, modulus)))


@checked
def mean_self_transition(M: Float[Array, "S S"]) -> Float[Array, ""]:
    """Tr M / S, the mean probability to stay a double step (eq. 24)."""
    return jnp.trace(M) / M.shape[-1]
