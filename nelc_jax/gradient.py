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
from jaxtyping import Array, Float, Int, Shaped

from .chain import Trajectory
from .latent import Latent, Score
from .likelihood import responsibilities
from .model import (
    Model,
    Parameters,
    backward_field,
    bernoulli_log_prob,
    contract,
    forward_logits,
)


class Support(eqx.Module):
    """Latent states z_k with weights, and where each step of the trajectory stands."""

    z: Shaped[Array, "K L"]
    weight: Float[Array, " K"]
    visit: Int[Array, " T"]


class TwoStep(eqx.Module):
    """The gradient in nats per unit of each parameter, and what came with it.

    `log_likelihood` is the estimate of the batch on the fly (App. A3); `finite` is
    False once a number that the parameters depend on is not.
    """

    gradient: Parameters
    log_likelihood: Float[Array, ""]
    finite: Shaped[Array, ""]


def trajectory_support(latent: Latent, z: Shaped[Array, "T L"], dtype) -> Support:
    """The support of a trajectory: occupancies of all states, or the visited states."""
    num_steps = z.shape[0]
    if not latent.enumerable:
        return Support(
            z, jnp.full(num_steps, 1 / num_steps, dtype), jnp.arange(num_steps)
        )
    visit = latent.index(z)
    counts = jnp.sum(visit[:, None] == jnp.arange(latent.num_states), axis=0)
    return Support(latent.states(), counts.astype(dtype) / num_steps, visit)


def forward_gradient(
    z: Shaped[Array, "K L"],
    logits: Float[Array, "K D"],
    r: Float[Array, "N K"],
    x: Shaped[Array, "N D"],
) -> tuple[Float[Array, "D L"], Float[Array, " D"]]:
    """Eq. 16a-b: sum_m,k r[m, k] (x_m - mu_k) z_k, and the same without z_k.

    The weights of the data points, summing to one, are part of r.
    """
    moments = contract(r.T, x.astype(r.dtype))
    moments = moments - jnp.sum(r, axis=0)[:, None] * jax.nn.sigmoid(logits)
    return contract(moments.T, z.astype(r.dtype)), jnp.sum(moments, axis=0)


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
    return moments - total[:, None] * x_mean, total


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
    support = trajectory_support(model.latent, trajectory.z, dtype)
    num_steps = trajectory.z.shape[0]

    logits = forward_logits(model, support.z)
    log_A = bernoulli_log_prob(logits, x)
    log_p, r = responsibilities(jnp.log(support.weight), log_A)
    r = weights[:, None] * r
    w, a = forward_gradient(support.z, logits, r, x)

    # g at the visited states only: that of an unvisited one may overflow, unused.
    visited = support.weight > 0
    g = jnp.sum(r, axis=0) / jnp.where(visited, support.weight, 1)
    h = backward_field(model, trajectory.x)
    score_t = model.latent.score(h, trajectory.z, score)
    coefficients = g[support.visit][:, None] * score_t / num_steps
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
        jnp.isfinite(log_likelihood) & jnp.all(jnp.isfinite(h)),
    )
