"""The gradient over the last K double steps along a trajectory, for any latent space.

What `horizon` takes from the kernel M, a trajectory shows by itself: for a visited
state z(t), the mean of g(z(t + k)) - 1 is that of M^k (g - 1). So every choice that the
chain made is credited with what came of it,

    F(t) = sum_{1 <= k < K} lambda^k (g(z(t + k)) - 1),

a policy gradient with average reward, whose baseline 1 is the mean of g, and lambda the
trace of temporal-difference learning (docs/gradient.md).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from .annotations import checked
from .chain import Trajectory
from .checks import check_points
from .gradient import (
    DataSums,
    Gradient,
    Support,
    backward_gradient,
    data_sums,
    gradient_from_sums,
    support_of,
)
from .horizon import Horizon, check_horizon
from .latent import Score
from .linear import contract
from .model import Model, Parameters, forward_logits


@checked
def trajectory_gradient(
    model: Model,
    trajectory: Trajectory,
    x: Shaped[Array, "N D"],
    weights: Float[Array, " N"] | None = None,
    horizon: Horizon = 1,
    trace: float = 1.0,
    score: Score = "exact",
) -> Gradient:
    """The gradient of ln p(x) over the last K double steps, along a trajectory.

    The two-step rule, and for every step t of the trajectory F(t) times the
    derivatives of ln p(z(t)|x(t)) and of ln p(x(t + 1)|z(t)). The last K - 1 steps have
    no future and are left out; without a K, the sum ends where the trajectory does,
    which is a small bias where T (1 - trace) >> 1. At the exact score, whose mean is
    zero, g - 1 stands in the two-step rule as well; `trace=0` and K = 1 are that rule.

    **Arguments:** as `two_step_gradient`; `horizon`, 1 <= K < T, or None with a trace
    below 1; `trace`, lambda in [0, 1].

    **Returns:** a `Gradient` in nats a point per unit of each parameter.

    **Raises:** `ValueError` for a K or a trace out of range, or an `x` without points.
    """
    check_trace(horizon, trace, len(trajectory.z))
    check_points("x", x)
    if weights is None:
        weights = jnp.full(x.shape[0], 1 / x.shape[0], model.x_mean.dtype)
    support = support_of(model, trajectory)
    sums = data_sums(support, x, weights)
    return trajectory_from_sums(model, trajectory, support, sums, horizon, trace, score)


@checked
def trajectory_from_sums(
    model: Model,
    trajectory: Trajectory,
    support: Support,
    sums: DataSums,
    horizon: Horizon = 1,
    trace: float = 1.0,
    score: Score = "exact",
) -> Gradient:
    """`trajectory_gradient` from the sums over a mini-batch, however they were made."""
    check_trace(horizon, trace, len(trajectory.z))
    latent = model.latent
    two_step = gradient_from_sums(model, trajectory, support, sums, score)
    g = sums.r / jnp.where(support.weights > 0, support.weights, 1)
    excess = g[support.visit] - 1
    future = _future(excess, horizon, trace)
    steps = len(future)

    scores = latent.score(trajectory.h, trajectory.z, score).T
    coefficients = future[None] * scores[:, :steps] / max(steps, 1)
    w_bar, a_bar = backward_gradient(coefficients, trajectory.x[:steps], model.x_mean)
    if score == "exact":
        every = -scores / scores.shape[1]
        baseline = backward_gradient(every, trajectory.x, model.x_mean)
        w_bar, a_bar = w_bar + baseline[0], a_bar + baseline[1]

    z = trajectory.z[:steps]
    mu = jax.nn.sigmoid(forward_logits(model, z))
    arrived = trajectory.x[1 : steps + 1].astype(mu.dtype)
    residual = future[:, None] * (arrived - mu) / max(steps, 1)
    w = contract(residual.T, z.astype(mu.dtype))
    a = jnp.sum(residual, axis=0)
    found = two_step.gradient
    return Gradient(
        Parameters(
            w=found.w + w,
            a=found.a if latent.absorbs_visible_bias else found.a + a,
            w_bar=found.w_bar + w_bar,
            a_bar=found.a_bar + a_bar,
        ),
        two_step.log_likelihood,
        two_step.finite,
    )


@checked
def check_trace(horizon: Horizon, trace: float, num_steps: int):
    """Raise the `ValueError` of a horizon or a trace that a trajectory cannot have."""
    check_horizon(horizon)
    if not 0 <= trace <= 1:
        raise ValueError(f"trace={trace}: expected 0 <= trace <= 1")
    if horizon is None and trace == 1:
        raise ValueError(
            "horizon=None: expected a trace below 1, or a finite horizon; the sum over "
            "the whole future of a trajectory has no limit"
        )
    if horizon is not None and horizon >= num_steps:
        raise ValueError(
            f"horizon={horizon}: expected less than the {num_steps} double steps of "
            "the trajectory"
        )


def _future(
    excess: Float[Array, " T"], horizon: Horizon, trace: float
) -> Float[Array, " n"]:
    """F(t) of the steps that have a future: n = T - K + 1, or T - 1 without a K."""
    if horizon is None:

        def earlier(later, now):
            later = trace * (now + later)
            return later, later

        start = jnp.zeros_like(excess[0])
        return jax.lax.scan(earlier, start, excess[1:], reverse=True)[1]
    steps = len(excess) - max(horizon - 1, 1)
    ahead = jnp.arange(1, horizon)
    window = excess[jnp.arange(steps)[:, None] + ahead[None]]
    return contract(window, jnp.asarray(trace, excess.dtype) ** ahead)
