"""The law of independent bits (eq. 10) and mixtures of it (eq. 5), in nats."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Shaped

from ._checks import checked
from ._linear import contract


@checked
def bernoulli_normaliser(logits: Float[Array, "*b D"]) -> Float[Array, "*b"]:
    """sum_i ln(1 + exp(l_i)) in nats: what eq. 10 divides by."""
    return jnp.sum(_softplus(logits), axis=-1)


@checked
def bernoulli_log_prob(
    logits: Float[Array, "K D"], x: Shaped[Array, "N D"]
) -> Float[Array, "N K"]:
    """ln prod_i p(x_i) in nats of N points under K rows of logits (eq. 10)."""
    # Terms of one sign, where x^T l less the normaliser is a small difference of large
    # numbers once the logits are large.
    on = x.astype(logits.dtype)
    return -contract(on, _softplus(-logits).T) - contract(1 - on, _softplus(logits).T)


@checked
def mixture_log_prob(
    log_weights: Float[Array, " K"], log_A: Float[Array, "N K"]
) -> Float[Array, " N"]:
    """ln p(x_m) = ln sum_k weight_k A[z_k, x_m] in nats (eq. 5)."""
    return logsumexp(log_weights[None] + log_A, axis=-1)


@checked
def weighted_log_prob(
    weights: Float[Array, " K"], log_A: Float[Array, "N K"]
) -> Float[Array, " N"]:
    """`mixture_log_prob` of the weights themselves, some of which may be zero.

    By a weight of zero, too, the derivative is A[z_k, x_m] / p(x_m).
    """
    return _weighted_log_prob(weights, log_A)


@checked
def responsibilities(
    log_weights: Float[Array, " K"], log_A: Float[Array, "K N"]
) -> tuple[Float[Array, " N"], Float[Array, "K N"]]:
    """ln p(x_m) in nats, and r[k, m] = weight_k A[z_k, x_m] / p(x_m).

    Points on the last axis, of which there are many: the layout of fast products.
    """
    joint = log_weights[:, None] + log_A
    log_p = logsumexp(joint, axis=0)
    # Not exp(joint - log_p), whose sum over k is off by the rounding of the logarithms.
    return log_p, jax.nn.softmax(joint, axis=0)


@jax.custom_jvp
def _weighted_log_prob(weights: Array, log_A: Array) -> Array:
    return mixture_log_prob(jnp.log(weights), log_A)


@_weighted_log_prob.defjvp
def _weighted_log_prob_jvp(primals, tangents):
    # Autodiff would divide r by the weights, and zero by zero.
    (weights, log_A), (change, log_change) = primals, tangents
    log_p = _weighted_log_prob(weights, log_A)
    largest = 0.99 * math.log(float(jnp.finfo(log_A.dtype).max))
    ratio = jnp.exp(jnp.minimum(log_A - log_p[:, None], largest))
    of_weights = jnp.sum(ratio * change[None], axis=-1)
    # A weight of zero times a ratio out of range is still zero.
    return log_p, of_weights + jnp.sum(weights[None] * ratio * log_change, axis=-1)


@jax.custom_jvp
def _softplus(logits: Array) -> Array:
    """ln(1 + exp(l)); jax.nn.softplus is twice as slow on the CPU."""
    return jnp.maximum(logits, 0) + jnp.log1p(jnp.exp(-jnp.abs(logits)))


@_softplus.defjvp
def _softplus_jvp(primals, tangents):
    # The two pieces have kinks at 0, which autodiff would add up.
    (logits,), (change,) = primals, tangents
    return _softplus(logits), jax.nn.sigmoid(logits) * change
