"""The law of independent bits (eq. 10) and mixtures of it (eq. 5), in nats."""

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
def _softplus(logits: Array) -> Array:
    """ln(1 + exp(l)); jax.nn.softplus is twice as slow on the CPU."""
    return jnp.maximum(logits, 0) + jnp.log1p(jnp.exp(-jnp.abs(logits)))


@_softplus.defjvp
def _softplus_jvp(primals, tangents):
    # The two pieces have kinks at 0, which autodiff would add up.
    (logits,), (change,) = primals, tangents
    return _softplus(logits), jax.nn.sigmoid(logits) * change
