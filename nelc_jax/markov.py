"""Finite Markov chains by elimination without subtractions.

The stationary law, and the deviation v = sum_{k >= 0} M^k (f - p_bar f) of the future
of f from its average, which solves the Poisson equation (I - M) v = f - p_bar f with
p_bar v = 0, and exists for periodic chains too, where the sum does not converge (Kemeny
and Snell, Finite Markov Chains, 1960).

States are taken out of the chain one by one, as Grassmann, Taksar and Heyman (Oper.
Res. 33, 1107 (1985)) do it: where Gauss would divide by 1 - M[n, n], they divide by the
sum of the transitions to the remaining states. All terms are non-negative, so that rare
transitions and small probabilities keep their relative precision.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._checks import check_count, checked
from ._linear import at_least_single, contract
from ._loops import fori_loop

__all__ = ["deviation", "stationary_distribution", "truncated_deviation"]

UNROLLED = 16
"""States up to which the elimination is written out, for compilers to fuse."""


@checked
def stationary_distribution(M: Float[Array, "S S"]) -> Float[Array, " S"]:
    """p_bar with p_bar M = p_bar (eq. 5-6), the long-time average of the chain.

    The chain starts anew from a uniform state with a probability r at every step, r =
    tiny^0.9 of the dtype (1e-34 in single precision): its law is unique, that of M
    where M is irreducible by transitions much larger than r, and for any other M the
    long-time average from a uniform start (all mass on an absorbing state, none on a
    transient one). Periodic chains are no exception. The diagonal of M is not read.
    Probabilities below r^0.85 (4e-29 in single precision) are returned as zero, with a
    derivative of zero.

    **Arguments:** `M[z', z]`, row-stochastic, z' the state jumped from.
    """
    return _stationary(at_least_single(M)).astype(M.dtype)


@checked
def deviation(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"], f: Float[Array, " S"]
) -> Float[Array, " S"]:
    """v with (I - M) v = f - p_bar f and p_bar v = 0.

    By elimination: a nearly reducible chain is solved as well as a fast one. A
    state that leaves for the others with a probability below the precision (or
    never) is treated as if with the precision: times longer than 1 / eps are cut there.

    **Arguments:** `M[z', z]`, row-stochastic, z' from; `p_bar`, stationary; `f`,
    in any unit, which is that of v.
    """
    dtype = M.dtype
    M, p_bar, f = at_least_single((M, p_bar, f))
    order = _busiest_first(p_bar)
    value = (f - contract(p_bar, f))[order]
    M, leaving = _eliminate(M[order][:, order], float(jnp.finfo(M.dtype).eps))
    v = _put_back(M, leaving, _carry_over(M, value))
    return _centred(v, order, p_bar).astype(dtype)


@checked
def uncut_deviation(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"], f: Float[Array, " S"]
) -> tuple[Float[Array, " S"], Bool[Array, ""]]:
    """`deviation` however slow the chain, and whether f has no average on it.

    It has none where two closed classes of states, both of positive probability, have
    different averages. Where they agree up to rounding, v is zero on average in each.
    """
    M, p_bar, f = map(jnp.asarray, (M, p_bar, f))
    size, smallest = M.shape[0], float(jnp.finfo(M.dtype).tiny) ** 0.9
    order = _busiest_first(p_bar)
    # From the state left to the end, so that a constant is exactly zero.
    f = f - f[order[0]]
    mean = contract(p_bar, f)
    reduced, leaving = _eliminate(M[order][:, order], smallest)
    excess = _carry_over(reduced, (f - mean)[order])
    magnitude = _carry_over(reduced, (jnp.abs(f) + jnp.abs(mean))[order])
    closed = leaving <= smallest
    rounding = 16 * size * float(jnp.finfo(M.dtype).eps) * magnitude
    apart = closed & (p_bar[order] > 0) & (jnp.abs(excess) > rounding)
    v = _put_back(reduced, leaving, jnp.where(closed, 0, excess))
    return _centred(v, order, p_bar), jnp.any(apart)


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
    centred = f - contract(p_bar, f)

    def add(_, v):
        return centred + contract(M, v)

    return fori_loop(0, num_terms, add, jnp.zeros_like(centred))


def _with_restart(M: Float[Array, "S S"]) -> tuple[Float[Array, "S S"], float]:
    """M with a restart from a uniform state in every row, and its probability."""
    restart = float(jnp.finfo(M.dtype).tiny) ** 0.9
    return M + restart / M.shape[-1], restart


@jax.custom_jvp
def _stationary(M: Float[Array, "S S"]) -> Float[Array, " S"]:
    size = M.shape[-1]
    M, restart = _with_restart(M)
    M, _ = _eliminate(M, float(jnp.finfo(M.dtype).tiny))
    index = jnp.arange(size)

    def put_back(n, p):
        entering = jnp.where(index < n, M[:, n], 0)
        p = p.at[n].set(contract(p, entering))
        # A state may hold 1 / r times the mass of all before it, the next one again.
        return p / jnp.sum(p)

    first = jnp.zeros_like(M[0]).at[0].set(1)
    p = fori_loop(1, size, put_back, first, unroll=size <= UNROLLED)
    # What is there only because of the restart is never visited.
    return jnp.where(p < restart**0.85, 0, p)


@_stationary.defjvp
def _stationary_jvp(primals, tangents):
    """dp (I - M) = p dM, with the busiest state left to the end.

    Through the elimination above, whose last state may be one that is never visited,
    autodiff divides by the squares of its rates.
    """
    (M,), (change,) = primals, tangents
    p = _stationary(M)
    size = len(p)
    change = jnp.where(jnp.eye(size, dtype=bool), 0, change)
    gained = contract(p, change) - p * jnp.sum(change, axis=1)
    order, index = _busiest_first(p), jnp.arange(size)
    M, _ = _with_restart(M)
    reduced, leaving = _eliminate(M[order][:, order], float(jnp.finfo(M.dtype).tiny))

    def take_out(step, gained):
        n = size - 1 - step
        onward = jnp.where(index < n, reduced[n], 0)
        return gained + onward * (gained[n] / leaving[n])

    def put_back(n, shift):
        entering = jnp.where(index < n, reduced[:, n], 0)
        return shift + jnp.where(index == n, contract(shift, entering), 0)

    unroll = size <= UNROLLED
    gained = fori_loop(0, size - 1, take_out, gained[order], unroll=unroll)
    shift = jnp.where(index == 0, 0, gained / leaving)
    shift = fori_loop(1, size, put_back, shift, unroll=unroll)
    # A gather, since a linear scatter has no transpose.
    shift = shift[(index - order[0]) % size]
    return p, jnp.where(p == 0, 0, shift - p * jnp.sum(shift))


def _busiest_first(p_bar: Float[Array, " S"]) -> Int[Array, " S"]:
    """An order of the states; the first is left to the end of an elimination.

    It is the one that the others reach soonest.
    """
    size = p_bar.shape[0]
    return (jnp.arange(size) + jnp.argmax(p_bar)) % size


def _carry_over(reduced: Float[Array, "S S"], f: Float[Array, " S"]):
    """The sum of f over an excursion from each state to those before it.

    **Arguments:** `reduced`, from `_eliminate`.
    """
    size = len(f)
    index = jnp.arange(size)

    def body(step, f):
        n = size - 1 - step
        return f + jnp.where(index < n, reduced[:, n], 0) * f[n]

    return fori_loop(0, size - 1, body, f, unroll=size <= UNROLLED)


def _put_back(
    reduced: Float[Array, "S S"], leaving: Float[Array, " S"], sums: Float[Array, " S"]
) -> Float[Array, " S"]:
    """v up to a constant, from the sums of f over excursions."""
    size = len(sums)
    index = jnp.arange(size)

    def body(n, v):
        onward = jnp.where(index < n, reduced[n], 0)
        return v.at[n].set((sums[n] + contract(onward, v)) / leaving[n])

    # Zero, but for a nan: no other state reads the row of the first.
    first = jnp.zeros_like(sums).at[0].set(0 * sums[0])
    return fori_loop(1, size, body, first, unroll=size <= UNROLLED)


def _centred(v: Float[Array, " S"], order: Array, p_bar: Float[Array, " S"]) -> Array:
    """v of the states in their own order, with p_bar v = 0."""
    v = jnp.zeros_like(v).at[order].set(v)
    return v - contract(p_bar, v)


def _eliminate(
    M: Float[Array, "S S"], smallest: float
) -> tuple[Float[Array, "S S"], Float[Array, " S"]]:
    """Take the states S - 1, ..., 1 out of a chain.

    **Arguments:** `M[z', z]`, z' from, whose diagonal is not read; `smallest`, the
    least probability with which a state is taken to leave for those before it.

    **Returns:** a matrix and the probabilities r_n of leaving state n for those before
    it, in the chain of the states up to n. The matrix has the transitions of state n in
    that chain in row n before the diagonal, and those into it, divided by r_n, in
    column n above the diagonal.
    """
    size = M.shape[0]
    index = jnp.arange(size)

    def take_out(step, carry):
        M, leaving = carry
        n = size - 1 - step
        before = index < n
        onward = jnp.where(before, M[n], 0)
        rate = jnp.maximum(jnp.sum(onward), smallest)
        entering = jnp.where(before, M[:, n] / rate, 0)
        # One pass over M: a column that is set afterwards costs several, in copies.
        put = before[:, None] & (index == n)[None]
        M = jnp.where(put, entering[:, None], M + entering[:, None] * onward[None])
        return M, leaving.at[n].set(rate)

    start = M, jnp.ones_like(M[0])
    unroll = size <= UNROLLED
    return fori_loop(0, size - 1, take_out, start, unroll=unroll)
