"""The Poisson equation of a finite Markov chain, by elimination without subtractions.

The deviation v = sum_{k >= 0} M^k (f - p_bar f) of the future of f from its average
solves (I - M) v = f - p_bar f with p_bar v = 0, and exists for periodic chains too,
where the sum does not converge (Kemeny and Snell, Finite Markov Chains, 1960).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .annotations import checked
from .checks import check_count
from .markov import UNROLLED, eliminate


@checked
def deviation(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"], f: Float[Array, " S"]
) -> Float[Array, " S"]:
    """v with (I - M) v = f - p_bar f and p_bar v = 0.

    By `markov.eliminate`: a nearly reducible chain is solved as well as a fast one. A
    state that leaves for the others with a probability below the precision (or
    never) is treated as if with the precision: times longer than 1 / eps are cut there.

    **Arguments:** `M[z', z]`, row-stochastic, z' from; `p_bar`, stationary; `f`,
    in any unit, which is that of v.
    """
    size = M.shape[0]
    # The state left to the end is the one that the others reach soonest.
    order = (jnp.arange(size) + jnp.argmax(p_bar)) % size
    value = (f - jnp.vdot(p_bar, f))[order]
    M, leaving = eliminate(M[order][:, order], float(jnp.finfo(M.dtype).eps))
    index = jnp.arange(size)

    def carry_over(step, value):
        n = size - 1 - step
        return value + jnp.where(index < n, M[:, n], 0) * value[n]

    def substitute(n, v):
        onward = jnp.where(index < n, M[n], 0)
        return v.at[n].set((value[n] + jnp.vdot(onward, v)) / leaving[n])

    unroll = size <= UNROLLED
    value = jax.lax.fori_loop(0, size - 1, carry_over, value, unroll=unroll)
    v = jax.lax.fori_loop(1, size, substitute, jnp.zeros_like(value), unroll=unroll)
    v = jnp.zeros_like(v).at[order].set(v)
    return v - jnp.vdot(p_bar, v)


@checked
def truncated_deviation(
    M: Float[Array, "S S"],
    p_bar: Float[Array, " S"],
    f: Float[Array, " S"],
    num_terms: int,
) -> Float[Array, " S"]:
    """The first terms of it, sum_{0 <= k < num_terms} M^k (f - p_bar f).

    **Raises:** `ValueError` for a negative `num_terms`.
    """
    check_count("num_terms", num_terms, 0, "terms")
    centred = f - jnp.vdot(p_bar, f)

    def add(_, v):
        return centred + jnp.matmul(M, v, precision=jax.lax.Precision.HIGHEST)

    return jax.lax.fori_loop(0, num_terms, add, jnp.zeros_like(centred))
