"""How fast averages over a finite chain converge, with and without its currents.

The mean of f over n steps of a stationary chain has a variance of v / n for large n,

    v = Var f + 2 sum_{k >= 1} Cov(f(0), f(k)) = 2 <f, Z f> - <f, f>,

with f centred, <f, g> = sum_z p_bar(z) f(z) g(z) and the fundamental matrix
Z = (1 - M + 1 p_bar^T)^-1 (Kemeny and Snell, Finite Markov Chains, 1960). v / Var f is
the integrated autocorrelation time, its inverse the effective samples per step.

`reversible_part` takes the currents away and keeps p_bar: (M + M*) / 2 with the
reversed chain M*[z', z] = p_bar(z) M[z, z'] / p_bar(z'). Its v is never smaller than
that of M, for any f (Sun, Gomez and Schmidhuber, NIPS 2010): how much smaller it is
with the currents is what they are worth to a sampler.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import checked
from .._linear import contract

__all__ = ["integrated_time", "reversible_part"]


@checked
def reversible_part(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> Float[Array, "S S"]:
    """(M + M*) / 2: the same stationary law and traffic between states, no current.

    Rows of states that are never visited are kept.
    """
    flux = p_bar[:, None] * M
    symmetric = 0.5 * (flux + flux.T)
    # p_bar in a stationary state; of one without a way in, all that leaves it.
    total = jnp.sum(symmetric, axis=1, keepdims=True)
    return jnp.where(total == 0, M, symmetric / jnp.where(total == 0, 1, total))


@checked
def integrated_time(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"], f: Float[Array, " S"]
) -> Float[Array, ""]:
    """v / Var f in double steps: 1 for independent states, below 1 if f alternates.

    Infinite for an f that the chain does not average (a reducible M), 1 for a constant.
    """
    centred = f - jnp.sum(p_bar * f)
    variance = jnp.sum(p_bar * centred**2)
    operator = jnp.eye(len(f), dtype=M.dtype) - M + p_bar[None]
    summed = jnp.linalg.solve(operator, centred)
    # A singular operator may also answer without a warning: check the solution.
    residual = jnp.max(jnp.abs(contract(operator, summed) - centred))
    solved = residual <= 1e-3 * jnp.max(jnp.abs(centred))
    time = (2 * jnp.sum(p_bar * centred * summed) - variance) / jnp.where(
        variance == 0, 1, variance
    )
    time = jnp.where(solved & jnp.isfinite(time), jnp.maximum(time, 0), jnp.inf)
    time = jnp.where(variance == 0, 1, time)
    # A singular operator gives nan too: what counts is what was given.
    given = jnp.sum(M) + jnp.sum(p_bar) + jnp.sum(f)
    return jnp.where(jnp.isnan(given), jnp.nan, time)
