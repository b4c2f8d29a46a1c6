"""Derivatives that autodiff would not find: of what is absent, and of draws."""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._loops import vary_with

Tree = TypeVar("Tree")


@jax.custom_jvp
def log_or_none(weights: Array) -> Array:
    """ln of numbers some of which may be absent: -inf for 0, with a derivative of 0.

    A transition that a chain does not have, or a state that it never visits, is taken
    to be so at neighbouring parameters as well.
    """
    return jnp.log(weights)


@log_or_none.defjvp
def _log_or_none_jvp(primals, tangents):
    (weights,), (change,) = primals, tangents
    # Denormal numbers are zero on some machines, and one over them infinite on others.
    none = weights < jnp.finfo(weights.dtype).tiny
    slope = jnp.where(none, 0, change / jnp.where(none, 1, weights))
    return log_or_none(weights), slope


@jax.custom_jvp
def root(variance: Array) -> Array:
    """The square root, with a derivative of 0 at 0."""
    return jnp.sqrt(variance)


@root.defjvp
def _root_jvp(primals, tangents):
    (variance,), (change,) = primals, tangents
    none = variance == 0
    slope = change / jnp.where(none, 1, 2 * root(variance))
    return root(variance), jnp.where(none, 0, slope)


@jax.custom_jvp
def score_function(logits: Array, x: Array) -> Array:
    """0, with the derivatives of ln p(x|z): of expectations, what draws of x leave out.

    d E[f] = E[df + f dln p] for x ~ p(x|z), which is that of the mean of f(x)
    exp(score_function).

    **Arguments:** `logits` and `x`, of one shape (..., D), both floating.
    """
    return vary_with(jnp.zeros(logits.shape[:-1], logits.dtype), logits, x)


@score_function.defjvp
def _score_function_jvp(primals, tangents):
    (logits, x), (change, _) = primals, tangents
    slope = jnp.sum((x - jax.nn.sigmoid(logits)) * change, axis=-1)
    return vary_with((score_function(logits, x), slope), logits, x, change)


def refuse_derivative(message: str, tree: Tree) -> Tree:
    """The same arrays, by which nothing can be differentiated.

    **Raises:** what uses them raises `TypeError` with the message when it is.
    """

    @jax.custom_jvp
    def same(arrays):
        return arrays

    @same.defjvp
    def _(primals, tangents):
        raise TypeError(message)

    arrays, rest = eqx.partition(tree, eqx.is_inexact_array)
    return eqx.combine(same(arrays), rest)
