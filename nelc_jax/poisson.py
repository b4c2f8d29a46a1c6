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

_UNROLLED = 16
"""States up to which the elimination is written out, for compilers to fuse."""


@checked
def deviation(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"], f: Float[Array, " S"]
) -> Float[Array, " S"]:
    """v with (I - M) v = f - p_bar f and p_bar v = 0.

    States are taken out of the chain one by one, as Grassmann, Taksar and Heyman (Oper.
    Res. 33, 1107 (1985)) do it: where Gauss would divide by 1 - M[n, n], they divide by
    the sum of the transitions to the remaining states, so that rare transitions keep
    their relative precision and a nearly reducible chain is solved as well as a fast
    one. A state that leaves for the others with a probability below the precision (or
    never) is treated as if with the precision: times longer than 1 / eps are cut there.

    **Arguments:** `M[z', z]`, row-stochastic, z' from; `p_bar`, stationary; `f`,
    in any unit, which is that of v.
    """
    size = M.shape[0]
    # The state left to the end is the one that the others reach soonest.
    order = (jnp.arange(size) + jnp.argmax(p_bar)) % size
    M = M[order][:, order]
    value = (f - jnp.vdot(p_bar, f))[order]
    smallest = jnp.finfo(M.dtype).eps
    index = jnp.arange(size)

    def eliminate(step, carry):
        M, value, leaving = carry
        n = size - 1 - step
        onward = jnp.where(index < n, M[n], 0)
        rate = jnp.maximum(jnp.sum(onward), smallest)
        entering = jnp.where(index < n, M[:, n], 0) / rate
        M = M + entering[:, None] * onward[None]
        return M, value + entering * value[n], leaving.at[n].set(rate)

    def substitute(n, carry):
        v, M, value, leaving = carry
        onward = jnp.where(index < n, M[n], 0)
        return v.at[n].set((value[n] + jnp.vdot(onward, v)) / leaving[n]), *carry[1:]

    unroll = size <= _UNROLLED
    start = M, value, jnp.ones_like(value)
    M, value, leaving = jax.lax.fori_loop(0, size - 1, eliminate, start, unroll=unroll)
    start = jnp.zeros_like(value), M, value, leaving
    v, *_ = jax.lax.fori_loop(1, size, substitute, start, unroll=unroll)
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
