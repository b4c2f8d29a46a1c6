"""Finite Markov chains: the stationary law of a row-stochastic matrix."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .annotations import checked

_SQUARINGS = 40


@checked
def stationary_distribution(M: Float[Array, "S S"]) -> Float[Array, " S"]:
    """p_bar with p_bar M = p_bar (eq. 5-6), reached from the uniform law.

    Rows of `((I + M) / 2)^(2^40)`, by repeated squaring: the lazy chain has the same
    stationary law and is aperiodic, so deterministic cycles converge too. All terms are
    non-negative, so that small probabilities keep their relative precision. For a
    reducible M, whose stationary law is not unique, this is the long-time average of
    the chain started from a uniform latent state (all mass on an absorbing state,
    none on a transient one).

    **Arguments:** `M[z', z]`, row-stochastic, z' the state jumped from.
    """

    def square(_, power):
        power = jnp.matmul(power, power, precision=jax.lax.Precision.HIGHEST)
        # Rounding would otherwise let the rows drift from unit sum, doubling each time.
        return power / jnp.sum(power, axis=-1, keepdims=True)

    size = M.shape[-1]
    lazy = 0.5 * (M + jnp.eye(size, dtype=M.dtype))
    return jnp.mean(jax.lax.fori_loop(0, _SQUARINGS, square, lazy), axis=0)
