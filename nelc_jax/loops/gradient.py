"""The gradient along a trajectory round a loop, cut after one turn.

What a state of layer k is worth, u_k, is the mean of g - 1 at the z_{K-1} that ends its
turn (docs/loops.md), and a trajectory shows that state. So the rule of every kernel but
the last is eq. 17 with the g of the turn, and that of the last one is eq. 16a.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key, Shaped

from .._checks import check_count, check_points, check_settings, checked
from .._linear import contract
from ..estimators._moments import (
    backward_moments,
    forward_moments,
    visible_bias,
    visited_g,
    visited_support,
)
from ..estimators.base import DataSums, Support
from ..latent.base import Score
from ..training import StepInfo
from .model import Kernel, Loop
from .sampling import Turns, sample_loop

__all__ = ["LoopGradient"]


class LoopGradient(eqx.Module):
    """The stochastic gradient of the log-likelihood of a loop, cut after one turn.

    As `TrajectoryGradient`, which it is for one hidden layer, but for the baseline of
    g, which the exact score allows: g - 1 has less variance.

    **Arguments:** `chain_length`, T turns; `score`, the reading of z - mu.

    **Raises:** `ValueError` for an unknown score or a T below 1.
    """

    chain_length: int = eqx.field(static=True, default=48)
    score: Score = eqx.field(static=True, default="paper")

    def __check_init__(self):
        check_settings(self)
        check_count("chain_length", self.chain_length, 1, "turn")

    @checked
    def sample(
        self, loop: Loop, key: Key[Array, ""], x: Shaped[Array, " D"]
    ) -> tuple[Bool[Array, " D"], Turns]:
        """T turns from x, and x(T)."""
        return sample_loop(loop, key, x, self.chain_length)

    @checked
    def support(self, loop: Loop, sample: Turns) -> Support:
        """The states of the last hidden layer, whose mixture is p(x)."""
        layer, z = loop.layers[-1], sample.z[-1]
        states = layer.states() if layer.enumerable else z
        return visited_support(layer, z, loop.field(len(loop.layers), states))

    @checked
    def gradient(
        self, loop: Loop, sample: Turns, support: Support, sums: DataSums
    ) -> tuple[tuple[Kernel, ...], StepInfo]:
        """The gradient in nats of each kernel, from the sums over the data."""
        reward = visited_g(support, sums)
        # The mean of the literal score is not zero: g is then part of the rule.
        worth = reward - 1 if self.score == "exact" else reward
        kernels, num_steps = [], len(reward)
        s, origin = sample.x, loop.x_mean
        for layer, source, z, h in zip(
            loop.layers, loop.around, sample.z, sample.h, strict=False
        ):
            scores = layer.score(h, z, self.score).T
            factors = worth[None] * scores / num_steps
            weights, bias = backward_moments(factors, s, origin)
            kernels.append(Kernel(weights, visible_bias(source, bias)))
            s, origin = z, jnp.zeros(z.shape[1:], h.dtype)

        moments, last = forward_moments(support, sums), loop.layers[-1]
        if last.enumerable:
            weights = last.sum_states(moments).T
        else:
            weights = contract(moments.T, s.astype(moments.dtype))
        bias = visible_bias(last, jnp.sum(moments, axis=0))
        kernels.append(Kernel(weights, bias))
        finite = [jnp.all(jnp.isfinite(h)) for h in sample.h]
        finite.append(jnp.isfinite(sums.log_likelihood))
        info = StepInfo(sums.log_likelihood, jnp.all(jnp.stack(finite)))
        return tuple(kernels), info

    @checked
    def estimate(
        self, loop: Loop, sample: Turns, x: Shaped[Array, "N D"]
    ) -> tuple[tuple[Kernel, ...], StepInfo]:
        """The gradient on given data points.

        **Raises:** `ValueError` when `x` has no points.
        """
        check_points("x", x)
        equal = jnp.full(x.shape[0], 1 / x.shape[0], loop.x_mean.dtype)
        support = self.support(loop, sample)
        return self.gradient(loop, sample, support, support.sums(x, equal))
