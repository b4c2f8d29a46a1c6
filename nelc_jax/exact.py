"""Small systems by enumeration of all 2^D visible and S latent states.

The oracle of the tests, and of users: the exact law, likelihood and gradients.
Everything is differentiable, the stationary vector included. Memory S x 2^D: D <= 16.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Shaped

from ._bernoulli import responsibilities
from ._checks import check_count, check_points, checked
from ._derivatives import log_or_none
from ._linear import contract, sum_products
from .estimators import Draws
from .estimators._moments import visible_bias
from .latent.base import Score
from .likelihood import occupancy_log_prob
from .markov import stationary_distribution
from .model import (
    Model,
    Parameters,
    backward_field,
    backward_log_probs,
    forward_log_prob,
    forward_logits,
)

__all__ = [
    "backward_matrix",
    "draws",
    "forward_matrix",
    "horizon_log_likelihood",
    "latent_distribution",
    "latent_kernel",
    "log_likelihood",
    "two_step_gradient",
    "visible_distribution",
    "visible_states",
]

MAX_VISIBLE = 16
"""Visible bits up to which all 2^D states are enumerated."""


@checked
def visible_states(num_visible: int) -> Bool[Array, "X D"]:
    """All X = 2^D visible states; row k holds the binary digits of k, lowest first.

    **Raises:** `ValueError` for D above 16.
    """
    if not 1 <= num_visible <= MAX_VISIBLE:
        raise ValueError(
            f"num_visible={num_visible}: expected 1 to {MAX_VISIBLE} bits to enumerate"
        )
    codes = jnp.arange(2**num_visible)[:, None]
    return (codes >> jnp.arange(num_visible)[None]) & 1 == 1


@checked
def forward_matrix(model: Model) -> Float[Array, "S X"]:
    """A[z, x] = p(x|z) (eq. 1, 10)."""
    x = visible_states(model.num_visible)
    return jnp.exp(forward_log_prob(model, model.latent.states(), x)).T


@checked
def backward_matrix(model: Model) -> Float[Array, "X S"]:
    """A_bar[x, z] = p(z|x) (eq. 2, 11, 19)."""
    return jnp.exp(backward_log_probs(model, visible_states(model.num_visible)))


@checked
def latent_kernel(model: Model) -> Float[Array, "S S"]:
    """M[z', z] = sum_x A[z', x] A_bar[x, z] (eq. 3), row-stochastic, z' from."""
    return contract(forward_matrix(model), backward_matrix(model))


@checked
def latent_distribution(model: Model) -> Float[Array, " S"]:
    """The stationary p_bar(z) (eq. 6)."""
    return stationary_distribution(latent_kernel(model))


@checked
def visible_distribution(model: Model) -> Float[Array, " X"]:
    """The stationary p(x) = sum_z p_bar(z) A[z, x] (eq. 5)."""
    return contract(latent_distribution(model), forward_matrix(model))


@checked
def log_likelihood(model: Model, x: Shaped[Array, "N D"]) -> Float[Array, ""]:
    """The mean of ln p(x_m) in nats a point (eq. 7), p_bar exact.

    Its derivative by autodiff is the exact gradient, through p_bar as well.

    **Raises:** `ValueError` when `x` has no points.
    """
    check_points("x", x)
    return jnp.mean(occupancy_log_prob(model, latent_distribution(model), x))


@checked
def horizon_log_likelihood(
    model: Model, visible_law: Float[Array, " X"], x: Shaped[Array, "N D"], horizon: int
) -> Float[Array, ""]:
    """mean_m ln sum_{x'} p(x') [A_bar M^(K-1) A](x', x_m) in nats (K = 1: eq. 12).

    With `visible_law` p(x') held fixed, its derivative is the gradient over the last K
    double steps, for K = 1 the two-step gradient with the `"exact"` score.

    **Arguments:** `visible_law`; data `x`; `horizon`, K >= 1.

    **Raises:** `ValueError` for a K below 1, an `x` without points, or a `visible_law`
    that is not of 2^D states.
    """
    check_count("horizon", horizon, 1, "double step")
    check_points("x", x)
    every_x = visible_states(model.num_visible)
    if len(visible_law) != len(every_x):
        raise ValueError(
            f"visible_law.shape={visible_law.shape}: expected ({len(every_x)},), a "
            f"probability for each state of {model.num_visible} bits"
        )
    log_A_bar = backward_log_probs(model, every_x)
    occupancy = logsumexp(log_A_bar, axis=0, b=visible_law[:, None])
    if horizon > 1:
        with jax.default_matmul_precision("highest"):
            power = jnp.linalg.matrix_power(latent_kernel(model), horizon - 1)
        occupancy = log_or_none(contract(jnp.exp(occupancy), power))
    log_A = forward_log_prob(model, model.latent.states(), x)
    return jnp.mean(logsumexp(occupancy[None] + log_A, axis=-1))


@checked
def draws(model: Model) -> Draws:
    """All visible states with their weights A[z, x], for `AveragedGradient.estimate`.

    With them its averages are exact.
    """
    every_x, A = visible_states(model.num_visible), forward_matrix(model)
    x = jnp.broadcast_to(every_x[:, None], (*A.T.shape, model.num_visible))
    return Draws.weighted(model, x, A.T, backward_field(model, x))


@checked
def two_step_gradient(
    model: Model, x: Shaped[Array, "N D"], score: Score = "paper"
) -> Parameters:
    """Eq. 16a-d and 17 with every average enumerated: the limit T -> infinity.

    **Arguments:** data `x`; `score`, the reading of z - mu.

    **Returns:** the gradient, in nats a point per unit of each parameter.

    **Raises:** `ValueError` when `x` has no points.
    """
    check_points("x", x)
    states = model.latent.states()
    every_x = visible_states(model.num_visible)
    p_bar = latent_distribution(model)
    num_points = x.shape[0]

    _, r = responsibilities(log_or_none(p_bar), forward_log_prob(model, states, x).T)
    r = r / num_points
    mu = jax.nn.sigmoid(forward_logits(model, states))
    residual = x.astype(mu.dtype)[:, None, :] - mu[None]
    w = sum_products("km,mkd,kl->dl", r, residual, states.astype(mu.dtype))
    a = sum_products("km,mkd->d", r, residual)

    # A state of no probability takes no part, whatever its g.
    g = jnp.sum(r, axis=1) / jnp.where(p_bar == 0, 1, p_bar)
    joint = visible_distribution(model)[:, None] * backward_matrix(model)
    h = backward_field(model, every_x)
    h = jnp.broadcast_to(h[:, None], (*joint.shape, model.latent.num_units))
    z = jnp.broadcast_to(states, h.shape)
    factor = (joint * g[None])[..., None] * model.latent.score(h, z, score)
    centred = every_x.astype(mu.dtype) - model.x_mean[None]
    w_bar = sum_products("xkl,xd->ld", factor, centred)
    return Parameters(
        w=w,
        a=visible_bias(model.latent, a),
        w_bar=w_bar,
        a_bar=jnp.sum(factor, axis=(0, 1)),
    )
