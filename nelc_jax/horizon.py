"""Gradients of ln p(x) through the last K double steps of the chain, up to all of them.

With p*(x') the law of x held fixed, K double steps before the last (docs/gradient.md),

    p(x) = sum_{x'} p*(x') [A_bar M^(K-1) A](x', x)

is eq. 12 for K = 1 and the likelihood itself for K -> infinity. With the excess of the
future, v_K = sum_{k < K} M^k (g - 1), its derivative is that of the two-step rule with
v_K in place of g in the backward gradient, and one more forward term,

    p_bar(z) E_{x ~ A_z}[(x - mu_z) sum_k A_bar[x, k] v_{K-1}(k)].

The averages run over draws of x from *every* latent state, which can be enumerated;
`traces` has the same along a trajectory, for large latent spaces.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Shaped

from . import parallel
from .annotations import checked
from .checks import check_count, check_points
from .gradient import DataSums, Gradient, Support, data_sums
from .latent import Score
from .linear import contract, on_last_axis
from .markov import stationary_distribution
from .model import (
    Model,
    Parameters,
    backward_field,
    bernoulli_normaliser,
    state_logits,
)
from .poisson import deviation, truncated_deviation

Horizon = int | None
"""K, the double steps that are differentiated; None for all of them."""


class Draws(eqx.Module):
    """Draws x ~ A_z of every latent state z with their weights, and p(z'|x) of each.

    `kernel` is the weighted mean of A_bar (eq. 3), `occupancy` its stationary law.
    """

    x: Bool[Array, "n S D"]
    weights: Float[Array, "n S"]
    h: Float[Array, "n S L"]
    A_bar: Float[Array, "n S S"]
    kernel: Float[Array, "S S"]
    occupancy: Float[Array, " S"]


@checked
def draw(model: Model, key: Key[Array, ""], num_draws: int) -> Draws:
    """The candidates of the parallel chain, with equal weights.

    The states share the random numbers of a draw, so that their cost hardly grows
    with S.

    **Arguments:** typed `key`; `num_draws`, n >= 1, of every latent state.

    **Raises:** `ValueError` for an n below 1 or a latent space that is not enumerable.
    """
    check_count("num_draws", num_draws, 1, "draw")
    x, h = parallel.candidates(model, key, num_draws)
    weights = jnp.full(x.shape[:2], 1 / num_draws, model.x_mean.dtype)
    return _weighted(model, x, weights, h)


@checked
def weighted_draws(
    model: Model, x: Shaped[Array, "n S D"], weights: Float[Array, "n S"]
) -> Draws:
    """Any points as `Draws`: all visible states, weighted with A, for exact averages.

    **Arguments:** `x`; `weights`, those of each latent state summing to one.
    """
    return _weighted(model, x.astype(bool), weights, backward_field(model, x))


@checked
def averaged_gradient(
    model: Model,
    draws: Draws,
    x: Shaped[Array, "N D"],
    weights: Float[Array, " N"] | None = None,
    horizon: Horizon = 1,
    score: Score = "exact",
) -> Gradient:
    """The gradient of ln p(x) over the last K double steps, averaged over `draws`.

    Every latent state takes part, with its weight p_bar from M, also one that a chain
    has not visited. With the literal score, whose mean is not zero, g is kept where the
    exact one allows g - 1: 1 + v_K in place of v_K, so that K = 1 is eq. 16c-d.

    **Arguments:** `draws` from `draw`; mini-batch `x`; `weights` of its points, summing
    to one (default: equal); `horizon`, K >= 1 or None for the whole past; `score`.

    **Returns:** a `Gradient` in nats a point per unit of each parameter. Its bias is of
    order 1 / n.

    **Raises:** `ValueError` for a K below 1, or when `x` has no points.
    """
    check_horizon(horizon)
    check_points("x", x)
    if weights is None:
        weights = jnp.full(x.shape[0], 1 / x.shape[0], model.x_mean.dtype)
    support = support_of_draws(model, draws)
    sums = data_sums(support, x, weights)
    return averaged_from_sums(model, draws, support, sums, horizon, score)


@checked
def support_of_draws(model: Model, draws: Draws) -> Support:
    """All latent states with their weights p_bar (see `gradient.support_of`)."""
    logits = state_logits(model)
    states = jnp.arange(model.latent.num_states)
    return Support(logits, bernoulli_normaliser(logits), draws.occupancy, states)


@checked
def averaged_from_sums(
    model: Model,
    draws: Draws,
    support: Support,
    sums: DataSums,
    horizon: Horizon = 1,
    score: Score = "exact",
) -> Gradient:
    """`averaged_gradient` from the sums over a mini-batch, however they were made."""
    check_horizon(horizon)
    latent, p_bar = model.latent, draws.occupancy
    dtype = model.x_mean.dtype
    g = sums.r / jnp.maximum(p_bar, jnp.finfo(dtype).tiny)

    if horizon is None:
        v = v_forward = deviation(draws.kernel, p_bar, g)
    else:
        v = truncated_deviation(draws.kernel, p_bar, g, horizon)
        v_forward = truncated_deviation(draws.kernel, p_bar, g, horizon - 1)
    if score == "paper":
        v = v + 1

    # Of eq. 17 and 16d, with z averaged as well, sum_z A_bar[x, z] v(z) score(x, z);
    # of the forward steps before the last, sum_z A_bar[x, z] v(z).
    states = latent.states()
    shape = (*draws.A_bar.shape, latent.num_units)
    scores = latent.score(
        jnp.broadcast_to(draws.h[:, :, None], shape),
        jnp.broadcast_to(states, shape),
        score,
    )
    factor = draws.A_bar * on_last_axis(v, draws.A_bar)
    backward = jnp.einsum("nsk,nskl->nsl", factor, scores)
    past = contract(draws.A_bar, v_forward)
    coefficients = jnp.concatenate([past[..., None], backward], axis=-1)
    coefficients = coefficients * (draws.weights * p_bar[None])[..., None]
    # One product for both: the draws are many, and are read once.
    totals = jnp.sum(coefficients, axis=0)
    drawn = draws.x.astype(dtype)
    products = jnp.einsum("nsc,nsd->scd", coefficients, drawn)

    mu = jax.nn.sigmoid(support.logits)
    residual = sums.r + totals[:, 0]
    moments = sums.x + products[:, 0] - residual[:, None] * mu
    a_bar = jnp.sum(totals[:, 1:], axis=0)
    w_bar = jnp.sum(products[:, 1:], axis=0) - a_bar[:, None] * model.x_mean[None]
    a = jnp.sum(moments, axis=0)
    return Gradient(
        Parameters(
            w=latent.sum_states(moments).T,
            a=jnp.zeros_like(a) if latent.absorbs_visible_bias else a,
            w_bar=w_bar,
            a_bar=a_bar,
        ),
        sums.log_likelihood,
        jnp.isfinite(sums.log_likelihood) & jnp.all(jnp.isfinite(v)),
    )


@checked
def check_horizon(horizon: Horizon):
    """Raise the `ValueError` of a horizon below 1."""
    if horizon is not None and horizon < 1:
        raise ValueError(
            f"horizon={horizon}: expected at least 1 double step, or None for all"
        )


def _weighted(model: Model, x: Array, weights: Array, h: Array) -> Draws:
    A_bar = jnp.exp(model.latent.log_probs(h))
    kernel = jnp.sum(weights[..., None] * A_bar, axis=0)
    return Draws(x, weights, h, A_bar, kernel, stationary_distribution(kernel))
