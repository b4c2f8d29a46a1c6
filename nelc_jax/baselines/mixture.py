"""The Bernoulli mixture by EM: the ceiling of every model with one-hot latents.

    p(x) = sum_k weight_k prod_i p(x_i|k)

A one-hot model of either kind is such a mixture, with weights p_bar (eq. 5), so none
exceeds the best of them. Restarts are a leading axis, through `vmap`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from .._bernoulli import bernoulli_log_prob, mixture_log_prob, responsibilities
from .._checks import check_bits, check_count, check_points, checked
from .._linear import contract
from .._loops import scan

__all__ = [
    "BernoulliMixture",
    "best",
    "fit",
    "fit_restarts",
    "init",
    "log_likelihood",
    "log_prob",
]

MEAN_CLIP = 1e-6
"""Pixel means of a component are confined to [MEAN_CLIP, 1 - MEAN_CLIP]."""

MAX_LOGIT = float(np.log1p(-MEAN_CLIP) - np.log(MEAN_CLIP))
"""The bound on a component's logits that confines its means."""


class BernoulliMixture(eqx.Module):
    """`log_weights`, ln weight_k in nats, and `logits` of p(x_i = 1|k)."""

    log_weights: Float[Array, " K"]
    logits: Float[Array, "K D"]


@checked
def init(
    key: Key[Array, ""], num_components: int, x: Shaped[Array, "N D"]
) -> BernoulliMixture:
    """Equal weights; each component halfway between a random point and the mean.

    The points are distinct while N >= K.

    **Arguments:** typed `key`; `num_components`, K >= 1; data `x` of zeros and ones.

    **Raises:** `ValueError` for a K below 1 or an `x` without points.
    """
    check_count("num_components", num_components, 1, "component")
    check_points("x", x)
    check_bits("x", x)
    num_points, _ = x.shape
    data = jnp.asarray(x, float)
    repeat = num_points < num_components
    chosen = jax.random.choice(key, num_points, (num_components,), replace=repeat)
    mean = 0.5 * (data[chosen] + jnp.mean(data, axis=0)[None])
    log_weights = jnp.full(num_components, -jnp.log(num_components), data.dtype)
    return BernoulliMixture(log_weights, bounded_logits(mean, 1 - mean))


@checked
def log_prob(mixture: BernoulliMixture, x: Shaped[Array, "N D"]) -> Float[Array, " N"]:
    """ln p(x_m) = ln sum_k weight_k p(x_m|k) in nats."""
    return mixture_log_prob(mixture.log_weights, bernoulli_log_prob(mixture.logits, x))


@checked
def log_likelihood(
    mixture: BernoulliMixture, x: Shaped[Array, "N D"]
) -> Float[Array, ""]:
    """The mean of ln p(x_m) in nats a point (eq. 7).

    **Raises:** `ValueError` when `x` has no points.
    """
    check_points("x", x)
    return jnp.mean(log_prob(mixture, x))


@checked
def fit(
    mixture: BernoulliMixture, x: Shaped[Array, "N D"], num_steps: int
) -> tuple[BernoulliMixture, Float[Array, " T"]]:
    """`num_steps` EM steps by `scan`; the likelihood never falls.

    Means are clipped to [MEAN_CLIP, 1 - MEAN_CLIP].

    **Returns:** the last mixture, and the likelihood before each step in nats a point.

    **Raises:** `ValueError` for a negative number of steps or an `x` without points.
    """
    check_count("num_steps", num_steps, 0, "EM steps")
    check_points("x", x)

    def body(mixture, _):
        return em_step(mixture, x)

    return scan(body, mixture, None, num_steps)


@checked
def fit_restarts(
    key: Key[Array, ""],
    num_components: int,
    x: Shaped[Array, "N D"],
    num_restarts: int,
    num_steps: int,
) -> tuple[BernoulliMixture, Float[Array, " R"]]:
    """EM from R starts at once; restart i has the key `fold_in(key, i)`.

    **Returns:** the mixtures (leading axis R), and their likelihoods in nats a point.

    **Raises:** as `init` and `fit`, and `ValueError` for an R below 1.
    """
    check_count("num_restarts", num_restarts, 1, "restart")

    def one(number):
        start = init(jax.random.fold_in(key, number), num_components, x)
        mixture, _ = fit(start, x, num_steps)
        return mixture, log_likelihood(mixture, x)

    return jax.vmap(one)(jnp.arange(num_restarts))


def best(
    mixtures: BernoulliMixture, log_likelihoods: Float[Array, " R"]
) -> tuple[BernoulliMixture, Float[Array, ""]]:
    """The restart of highest likelihood, and that likelihood."""
    winner = jnp.argmax(log_likelihoods)
    return jax.tree.map(lambda leaf: leaf[winner], (mixtures, log_likelihoods))


@checked
def em_step(
    mixture: BernoulliMixture,
    x: Shaped[Array, "N D"],
    weights: Float[Array, " N"] | None = None,
) -> tuple[BernoulliMixture, Float[Array, ""]]:
    """One EM step; the likelihood never falls.

    E: r[k, m] = weight_k p(x_m|k) / p(x_m). M: weight_k = mean_m r[k, m], and the mean
    of k is that of the points weighted with r[k, m], clipped to [MEAN_CLIP, 1 -
    MEAN_CLIP]. The objective is concave in each mean, so the clipped one is its
    maximiser under that bound; what the bound costs is at most D MEAN_CLIP nats.
    A component without weight keeps its means.

    With `weights`, point m counts weights[m] times.

    **Returns:** the next mixture, and the likelihood *before* the step in nats a point.
    """
    data = x.astype(mixture.logits.dtype)
    log_p, r = responsibilities(
        mixture.log_weights, bernoulli_log_prob(mixture.logits, data).T
    )
    if weights is None:
        log_likelihood = jnp.mean(log_p)
    else:
        r = r * weights[None]
        log_likelihood = jnp.sum(weights * log_p) / jnp.sum(weights)
    on, off = contract(r, data), contract(r, 1 - data)
    size = jnp.sum(r, axis=1)
    tiny = jnp.finfo(size.dtype).tiny
    alive = jnp.broadcast_to((size > tiny)[:, None], on.shape)
    return BernoulliMixture(
        jnp.log(jnp.maximum(size, tiny)) - jnp.log(jnp.sum(size)),
        jnp.where(alive, bounded_logits(on, off), mixture.logits),
    ), log_likelihood


@checked
def bounded_logits(
    on: Float[Array, "K D"], off: Float[Array, "K D"]
) -> Float[Array, "K D"]:
    """ln(on / off), confined; from both counts, so that both tails are precise."""
    tiny = jnp.finfo(on.dtype).tiny
    logits = jnp.log(jnp.maximum(on, tiny)) - jnp.log(jnp.maximum(off, tiny))
    return jnp.clip(logits, -MAX_LOGIT, MAX_LOGIT)
