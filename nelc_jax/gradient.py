"""The two-step rule (Sect. III): gradients of ln p(x) cut after the last double step.

    p(x) = sum_z p_bar(z) A[z, x] = sum_{x', z} p(x') A_bar[x', z] A[z, x]    (12)

The forward parameters enter through A in the first form, p_bar held fixed; the backward
ones through A_bar in the second, p(x') held fixed. Both averages need the ratios

    r[m, k] = weight_k A[z_k, x_m] / p(x_m),     g(z) = mean_m A[z, x_m] / p(x_m)

over a *support* of latent states z_k (see `likelihood`): all S with their occupancy in
the trajectory where they can be enumerated, else the T visited states themselves.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from .chain import Trajectory
from .latent import Score
from .likelihood import responsibilities
from .linear import contract
from .model import (
    Model,
    Parameters,
    bernoulli_log_prob,
    forward_logits,
    state_logits,
)


class TwoStep(eqx.Module):
    """The gradient in nats per unit of each parameter, and what came with it.

    `log_likelihood` is the estimate of the batch on the fly (App. A3); `finite` is
    False once a number that the parameters depend on is not.
    """

    gradient: Parameters
    log_likelihood: Float[Array, ""]
    finite: Bool[Array, ""]


def forward_moments(
    logits: Float[Array, "K D"], r: Float[Array, "N K"], x: Shaped[Array, "N D"]
) -> Float[Array, "K D"]:
    """sum_m r[m, k] (x_m - mu_k), of which eq. 16a-b are sums over k.

    The weights of the data points, summing to one, are part of r.
    """
    moments = contract(r.T, x.astype(r.dtype))
    return moments - jnp.sum(r, axis=0)[:, None] * jax.nn.sigmoid(logits)


def backward_gradient(
    coefficients: Float[Array, "T L"],
    x: Shaped[Array, "T D"],
    x_mean: Float[Array, " D"],
) -> tuple[Float[Array, "L D"], Float[Array, " L"]]:
    """Eq. 17 and 16d: sum_t c[t] (x(t) - x_mean), and the same without x.

    The coefficients c[t] = g(z(t)) score(t) / T hold the rest of the equations.
    """
    total = jnp.sum(coefficients, axis=0)
    moments = contract(coefficients.T, x.astype(coefficients.dtype))
    return moments - total[:, None] * x_mean[None], total


def two_step_gradient(
    model: Model,
    trajectory: Trajectory,
    x: Shaped[Array, "N D"],
    weights: Float[Array, " N"] | None = None,
    score: Score = "paper",
) -> TwoStep:
    """The paper's stochastic gradient of the log-likelihood (eq. 16a-d, 17).

    A latent state that the trajectory did not visit gets no update. Where eq. 20
    makes the visible bias redundant, its gradient is zero.

    **Arguments:** `trajectory` of T double steps; mini-batch `x`; `weights` of its
    points, summing to one (default: equal), zero for padding; `score`, the reading of
    z - mu in eq. 16c-d: `"paper"` (eq. 15 to the letter) or `"exact"` (the derivative
    of ln p(z|x)).

    **Returns:** a `TwoStep`; likelihoods in nats.
    """
    dtype = model.x_mean.dtype
    if weights is None:
        weights = jnp.full(x.shape[0], 1 / x.shape[0], dtype)
    num_steps = trajectory.z.shape[0]
    if model.latent.enumerable:
        visit = model.latent.index(trajectory.z)
        counts = jnp.sum(
            visit[:, None] == jnp.arange(model.latent.num_states)[None], axis=0
        )
        occupancy = counts.astype(dtype) / num_steps
        logits = state_logits(model)
    else:
        visit = jnp.arange(num_steps)
        occupancy = jnp.full(num_steps, 1 / num_steps, dtype)
        logits = forward_logits(model, trajectory.z)

    log_A = bernoulli_log_prob(logits, x)
    log_p, r = responsibilities(jnp.log(occupancy), log_A)
    r = weights[:, None] * r
    moments = forward_moments(logits, r, x)
    if model.latent.enumerable:
        w = model.latent.sum_states(moments).T
    else:
        w = contract(moments.T, trajectory.z.astype(dtype))
    a = jnp.sum(moments, axis=0)

    # g at the visited states only: that of an unvisited one may overflow, unused.
    g = jnp.sum(r, axis=0) / jnp.where(occupancy > 0, occupancy, 1)
    score_t = model.latent.score(trajectory.h, trajectory.z, score)
    coefficients = g[visit][:, None] * score_t / num_steps
    w_bar, a_bar = backward_gradient(coefficients, trajectory.x, model.x_mean)

    log_likelihood = jnp.sum(jnp.where(weights > 0, weights * log_p, 0))
    return TwoStep(
        Parameters(
            w=w,
            a=jnp.zeros_like(a) if model.latent.absorbs_visible_bias else a,
            w_bar=w_bar,
            a_bar=a_bar,
        ),
        log_likelihood,
        jnp.isfinite(log_likelihood) & jnp.all(jnp.isfinite(trajectory.h)),
    )
