"""The gradient along a trajectory: the paper's two-step rule, and more of the past.

A visited latent state z(t) shows by itself what came of it: the mean of g(z(t + k)) - 1
is that of M^k (g - 1) at z(t). So every choice that the chain made is credited with

    F(t) = sum_{1 <= k < K} discount^k (g(z(t + k)) - 1),

the policy gradient with average reward, whose baseline 1 is the mean of g, and with the
discount of temporal-difference learning (docs/gradient.md). The paper's rule is K = 1.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Shaped

from .._checks import check_count, check_settings, checked
from .._linear import contract
from .._loops import scan
from ..chain import Trajectory, sample_chain
from ..latent.base import Score
from ..model import (
    Model,
    Parameters,
    forward_logits,
    state_logits,
)
from ._moments import (
    backward_moments,
    check_horizon,
    forward_moments,
    visible_bias,
    visited_g,
    visited_support,
)
from .base import AbstractEstimator, DataSums, Gradient, Support

__all__ = ["TrajectoryGradient"]


class TrajectoryGradient(AbstractEstimator):
    """The paper's stochastic gradient of the log-likelihood (eq. 16a-d, 17).

    Averages run over the trajectory of a persistent chain; a latent state that it does
    not visit gets no update. Where eq. 20 makes the visible bias redundant, its
    gradient is zero.

    With K > 1, F(t) times the derivatives of ln p(z(t)|x(t)) and ln p(x(t + 1)|z(t)) is
    added for every step t. The last K - 1 steps have no future and are left out;
    without a K, the sum ends where the trajectory does, a small bias where T
    (1 - discount) >> 1. At the exact score, whose mean is zero, g - 1 then stands in
    the two-step rule as well.

    **Arguments:** `chain_length`, T double steps; `score`, the reading of z - mu in eq.
    16c-d: `"paper"` (eq. 15 to the letter) or `"exact"` (the derivative of ln p(z|x));
    `horizon`, K < T, the double steps that the gradient goes back, or None with a
    `discount` below 1; `parallel`, how the chain is drawn (`sample_chain`).

    **Raises:** `ValueError` for an unknown score or numbers out of range.
    """

    chain_length: int = eqx.field(static=True, default=48)
    score: Score = eqx.field(static=True, default="paper")
    horizon: int | None = eqx.field(static=True, default=1)
    discount: float = eqx.field(static=True, default=1.0)
    parallel: bool | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_settings(self)
        check_count("chain_length", self.chain_length, 1, "double step")
        check_horizon(self.horizon)
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount={self.discount}: expected 0 <= discount <= 1")
        if self.horizon is None and self.discount == 1:
            raise ValueError(
                "horizon=None: expected a discount below 1, or a finite horizon; the "
                "sum over the whole future of a trajectory has no limit "
                "(AveragedGradient has one)"
            )
        if self.horizon is not None and self.horizon > 1:
            self._check_length(self.chain_length)

    @checked
    def sample(
        self, model: Model, key: Key[Array, ""], x: Shaped[Array, " D"]
    ) -> tuple[Bool[Array, " D"], Trajectory]:
        """The trajectory of T double steps from x, and x(T) (eq. 18)."""
        return sample_chain(model, key, x, self.chain_length, self.parallel)

    @checked
    def support(self, model: Model, sample: Trajectory) -> Support:
        """All S latent states with their occupancy, or the T visited ones (App. A3)."""
        if model.latent.enumerable:
            logits = state_logits(model)
        else:
            logits = forward_logits(model, sample.z)
        return visited_support(model.latent, sample.z, logits)

    @checked
    def gradient(
        self, model: Model, sample: Trajectory, support: Support, sums: DataSums
    ) -> Gradient:
        """Eq. 16a-d and 17, and for K > 1 what the further past adds to them."""
        reward = visited_g(support, sums)
        scores = model.latent.score(sample.h, sample.z, self.score).T
        found = _two_step(model, sample, support, sums, reward, scores)
        if self.horizon != 1:
            self._check_length(len(reward))
            past = self._past(model, sample, reward - 1, scores)
            found = jax.tree.map(jnp.add, found, past)
        return Gradient(
            found,
            sums.log_likelihood,
            jnp.isfinite(sums.log_likelihood) & jnp.all(jnp.isfinite(sample.h)),
        )

    def _past(
        self,
        model: Model,
        sample: Trajectory,
        excess: Float[Array, " T"],
        scores: Float[Array, "L T"],
    ) -> Parameters:
        """F(t) times the derivatives of what the chain did in step t."""
        future = _future(excess, self.horizon, self.discount)
        steps = len(future)
        coefficients = future[None] * scores[:, :steps] / max(steps, 1)
        w_bar, a_bar = backward_moments(coefficients, sample.x[:steps], model.x_mean)
        if self.score == "exact":
            every = -scores / scores.shape[1]
            baseline = backward_moments(every, sample.x, model.x_mean)
            w_bar, a_bar = w_bar + baseline[0], a_bar + baseline[1]

        z = sample.z[:steps]
        mu = jax.nn.sigmoid(forward_logits(model, z))
        arrived = sample.x[1 : steps + 1].astype(mu.dtype)
        residual = future[:, None] * (arrived - mu) / max(steps, 1)
        return Parameters(
            w=contract(residual.T, z.astype(mu.dtype)),
            a=visible_bias(model.latent, jnp.sum(residual, axis=0)),
            w_bar=w_bar,
            a_bar=a_bar,
        )

    def _check_length(self, num_steps: int):
        if self.horizon is not None and self.horizon >= num_steps:
            raise ValueError(
                f"horizon={self.horizon}: expected less than the {num_steps} double "
                "steps of the trajectory"
            )


def _two_step(
    model: Model,
    sample: Trajectory,
    support: Support,
    sums: DataSums,
    reward: Float[Array, " T"],
    scores: Float[Array, "L T"],
) -> Parameters:
    """Eq. 16a-d and 17, with `reward` g(z(t))."""
    latent = model.latent
    moments = forward_moments(support, sums)
    if latent.enumerable:
        w = latent.sum_states(moments).T
    else:
        w = contract(moments.T, sample.z.astype(moments.dtype))
    coefficients = reward[None] * scores / len(reward)
    w_bar, a_bar = backward_moments(coefficients, sample.x, model.x_mean)
    a = visible_bias(latent, jnp.sum(moments, axis=0))
    return Parameters(w=w, a=a, w_bar=w_bar, a_bar=a_bar)


def _future(
    excess: Float[Array, " T"], horizon: int | None, discount: float
) -> Float[Array, " n"]:
    """F(t) of the steps that have a future: n = T - K + 1, or T - 1 without a K."""
    if horizon is None:

        def earlier(later, now):
            later = discount * (now + later)
            return later, later

        start = jnp.zeros_like(excess[0])
        return scan(earlier, start, excess[1:], reverse=True)[1]
    steps = len(excess) - (horizon - 1)
    ahead = jnp.arange(1, horizon)
    window = excess[jnp.arange(steps)[:, None] + ahead[None]]
    powers = jnp.asarray(discount, excess.dtype) ** ahead.astype(excess.dtype)
    return contract(window, powers)
