"""How fast averages over a finite chain converge, with and without its currents.

The mean of f over n steps of a stationary chain has a variance of v / n for large n,

    v = Var f + 2 sum_{k >= 1} Cov(f(0), f(k)) = 2 <f, Z f> - <f, f>,

with f centred, <f, g> = sum_z p_bar(z) f(z) g(z) and the fundamental matrix
Z = (1 - M + 1 p_bar^T)^-1 (Kemeny and Snell, Finite Markov Chains, 1960); Z f is the
`markov.deviation`. v / Var f is the integrated autocorrelation time, its inverse the
effective samples per step.

A function of the drawn x has noise of its own, and the same x decides the next latent
state; `visible_time` has all of it (derivation: docs/methods.md).

`reversible_part` takes the currents away and keeps p_bar: (M + M*) / 2 with the
reversed chain M*[z', z] = p_bar(z) M[z, z'] / p_bar(z'). Its v is never smaller than
that of M, for any f (Sun, Gomez and Schmidhuber, NIPS 2010): how much smaller it is
with the currents is what they are worth to a sampler.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import checked
from .._linear import contract
from ..markov import uncut_deviation
from .thermodynamics import fluxes

__all__ = ["integrated_time", "reversible_part", "visible_time"]


@checked
def reversible_part(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> Float[Array, "S S"]:
    """(M + M*) / 2: the same stationary law and traffic between states, no current.

    Rows of states that are never visited are kept.
    """
    flux = fluxes(M, p_bar)
    symmetric = 0.5 * (flux + flux.T)
    # p_bar in a stationary state; of one without a way in, all that leaves it.
    total = jnp.sum(symmetric, axis=1, keepdims=True)
    return jnp.where(total == 0, M, symmetric / jnp.where(total == 0, 1, total))


@checked
def integrated_time(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"], f: Float[Array, " S"]
) -> Float[Array, ""]:
    """v / Var f in double steps: 1 for independent states, below 1 if f alternates.

    Infinite for an f that the chain does not average (two closed classes of different
    averages), nan for an f that is constant where p_bar is positive: of 0 / 0, and of
    an average that is right after one step, there is no time.
    """
    M, p_bar, f = map(jnp.asarray, (M, p_bar, f))
    return _time(M, p_bar, f, jnp.zeros_like(f), jnp.zeros_like(M))


@checked
def visible_time(
    M: Float[Array, "S S"],
    p_bar: Float[Array, " S"],
    mean: Float[Array, " S"],
    variance: Float[Array, " S"],
    covariance: Float[Array, "S S"],
) -> Float[Array, ""]:
    """v / Var f of a function f(x) of the visible states, in double steps.

    1 + 2 c.v / Var f with c(z) = Cov(f(x), A_bar[x, z]) over the stationary x and v the
    `markov.deviation` of the mean of f in each latent state. Infinite and nan as
    `integrated_time`, which is what is left where z decides f(x).

    **Arguments:** over x ~ A_z of each latent state z: `mean[z]` and `variance[z]` of
    f(x), and `covariance[z, y]` of f(x) with A_bar[x, y].
    """
    arrays = (M, p_bar, mean, variance, covariance)
    return _time(*map(jnp.asarray, arrays))


def _time(M, p_bar, mean, variance, covariance):
    alive = p_bar > 0
    # A ratio of squares, which f in its own unit may take out of range.
    f = mean - mean[jnp.argmax(p_bar)]
    size = jax.lax.stop_gradient(jnp.maximum(jnp.abs(f), jnp.sqrt(variance)))
    root = jnp.sqrt(jnp.max(jnp.where(alive, size, 0)))
    root = jnp.where(root == 0, 1, root)
    f, covariance = f / root / root, covariance / root / root
    centred = f - jnp.sum(p_bar * f)
    between = jnp.sum(p_bar * centred**2)
    # In two steps: the fourth power of the root underflows.
    within = jnp.sum(p_bar * (variance / root / root)) / root / root
    total = between + within
    v, endless = uncut_deviation(M, p_bar, f)
    memory = jnp.sum(p_bar * (centred * v + contract(covariance, v)))
    # c.v is this less what the first step remembers of itself, `between`.
    time = (2 * memory - between + within) / jnp.where(total == 0, 1, total)
    time = jnp.where(endless, jnp.inf, jnp.maximum(time, 0))
    # The row of the state left to the end is not read.
    return jnp.where((total == 0) | jnp.any(jnp.isnan(M)), jnp.nan, time)
