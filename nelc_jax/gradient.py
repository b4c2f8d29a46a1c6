"""The two-step rule (Sect. III): gradients of ln p(x) cut after the last double step.

    p(x) = sum_z p_bar(z) A[z, x] = sum_{x', z} p(x') A_bar[x', z] A[z, x]    (12)

The forward parameters enter through A in the first form, p_bar held fixed; the backward
ones through A_bar in the second, p(x') held fixed. Both averages need the ratios

    r[k, m] = weight_k A[z_k, x_m] / p(x_m),     g(z) = mean_m A[z, x_m] / p(x_m)

over a *support* of latent states z_k (see `likelihood`): all S with their occupancy in
the trajectory where they can be enumerated, else the T visited states themselves.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from .annotations import checked
from .chain import Trajectory
from .checks import check_points
from .latent import Score
from .likelihood import responsibilities
from .linear import contract
from .model import (
    Model,
    Parameters,
    bernoulli_normaliser,
    forward_logits,
    state_logits,
)


class Gradient(eqx.Module):
    """The gradient in nats per unit of each parameter, and what came with it.

    `log_likelihood` is the estimate of the batch on the fly (App. A3); `finite` is
    False once a number that the parameters depend on is not.
    """

    gradient: Parameters
    log_likelihood: Float[Array, ""]
    finite: Bool[Array, ""]


class Support(eqx.Module):
    """The latent states whose mixture is p(x): `logits` of A, and their weights.

    `visit[t]` is the row of the state z(t) of the trajectory.
    """

    logits: Float[Array, "K D"]
    normalisers: Float[Array, " K"]
    weights: Float[Array, " K"]
    visit: Int[Array, " T"]


class DataSums(eqx.Module):
    """All that the gradient needs of the data, additive over the points.

    Sums over m of `x`: r[k, m] x_m; `r`: r[k, m]; `log_likelihood`: weight_m ln p(x_m).
    The weights of the data points, summing to one, are part of r.
    """

    x: Float[Array, "K D"]
    r: Float[Array, " K"]
    log_likelihood: Float[Array, ""]


@checked
def support_of(model: Model, trajectory: Trajectory) -> Support:
    """The support of a trajectory: all latent states, or the visited ones (App. A3)."""
    dtype = model.x_mean.dtype
    num_steps = trajectory.z.shape[0]
    if not model.latent.enumerable:
        logits = forward_logits(model, trajectory.z)
        return Support(
            logits,
            bernoulli_normaliser(logits),
            jnp.full(num_steps, 1 / num_steps, dtype),
            jnp.arange(num_steps),
        )
    visit = model.latent.index(trajectory.z)
    states = jnp.arange(model.latent.num_states)
    counts = jnp.sum(visit[:, None] == states[None], axis=0)
    logits = state_logits(model)
    return Support(
        logits, bernoulli_normaliser(logits), counts.astype(dtype) / num_steps, visit
    )


@checked
def data_sums(
    support: Support, x: Shaped[Array, "N D"], weights: Float[Array, " N"]
) -> DataSums:
    """The sums of eq. 16 over data points with `weights`; those of zero add nothing."""
    x = x.astype(weights.dtype)
    log_A = contract(support.logits, x.T) - support.normalisers[:, None]
    log_p, r = responsibilities(jnp.log(support.weights), log_A)
    r = weights[None] * r
    return DataSums(
        contract(r, x),
        jnp.sum(r, axis=1),
        jnp.sum(jnp.where(weights > 0, weights * log_p, 0)),
    )


@checked
def backward_gradient(
    coefficients: Float[Array, "L T"],
    x: Shaped[Array, "T D"],
    x_mean: Float[Array, " D"],
) -> tuple[Float[Array, "L D"], Float[Array, " L"]]:
    """Eq. 17 and 16d: sum_t c[t] (x(t) - x_mean), and the same without x.

    The coefficients c[:, t] = g(z(t)) score(t) / T hold the rest of the equations.
    """
    total = jnp.sum(coefficients, axis=1)
    moments = contract(coefficients, x.astype(coefficients.dtype))
    return moments - total[:, None] * x_mean[None], total


@checked
def two_step_gradient(
    model: Model,
    trajectory: Trajectory,
    x: Shaped[Array, "N D"],
    weights: Float[Array, " N"] | None = None,
    score: Score = "paper",
) -> Gradient:
    """The paper's stochastic gradient of the log-likelihood (eq. 16a-d, 17).

    A latent state that the trajectory did not visit gets no update. Where eq. 20
    makes the visible bias redundant, its gradient is zero.

    **Arguments:** `trajectory` of T double steps; mini-batch `x`; `weights` of its
    points, summing to one (default: equal), zero for padding; `score`, the reading of
    z - mu in eq. 16c-d: `"paper"` (eq. 15 to the letter) or `"exact"` (the derivative
    of ln p(z|x)).

    **Returns:** a `Gradient`; likelihoods in nats.

    **Raises:** `ValueError` when `x` has no points.
    """
    check_points("x", x)
    if weights is None:
        weights = jnp.full(x.shape[0], 1 / x.shape[0], model.x_mean.dtype)
    support = support_of(model, trajectory)
    sums = data_sums(support, x, weights)
    return gradient_from_sums(model, trajectory, support, sums, score)


@checked
def gradient_from_sums(
    model: Model,
    trajectory: Trajectory,
    support: Support,
    sums: DataSums,
    score: Score = "paper",
) -> Gradient:
    """`two_step_gradient` from the sums over a mini-batch, however they were made."""
    dtype = model.x_mean.dtype
    num_steps = trajectory.z.shape[0]
    # Eq. 16a-b are sums over k of the moments sum_m r[k, m] (x_m - mu_k).
    moments = sums.x - sums.r[:, None] * jax.nn.sigmoid(support.logits)
    if model.latent.enumerable:
        w = model.latent.sum_states(moments).T
    else:
        w = contract(moments.T, trajectory.z.astype(dtype))
    a = jnp.sum(moments, axis=0)

    # g at the visited states only: that of an unvisited one may overflow, unused.
    g = sums.r / jnp.where(support.weights > 0, support.weights, 1)
    score_t = model.latent.score(trajectory.h, trajectory.z, score)
    coefficients = g[support.visit][None] * score_t.T / num_steps
    w_bar, a_bar = backward_gradient(coefficients, trajectory.x, model.x_mean)
    return Gradient(
        Parameters(
            w=w,
            a=jnp.zeros_like(a) if model.latent.absorbs_visible_bias else a,
            w_bar=w_bar,
            a_bar=a_bar,
        ),
        sums.log_likelihood,
        jnp.isfinite(sums.log_likelihood) & jnp.all(jnp.isfinite(trajectory.h)),
    )
