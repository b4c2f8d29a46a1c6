"""An estimator of the gradient from outside of the library."""

import equinox as eqx
import jax
import jax.numpy as jnp

from nelc_jax import TrajectoryGradient
from nelc_jax.estimators import AbstractEstimator


class Twice(AbstractEstimator):
    """The two-step rule along a trajectory of twice the length, in two halves."""

    half: TrajectoryGradient = eqx.field(static=True)

    def sample(self, model, key, x):
        first, second = jax.random.split(key)
        middle, early = self.half.sample(model, first, x)
        end, late = self.half.sample(model, second, middle)
        return end, jax.tree.map(lambda *a: jnp.concatenate(a), early, late)

    def support(self, model, sample):
        return self.half.support(model, sample)

    def gradient(self, model, sample, support, sums):
        return self.half.gradient(model, sample, support, sums)
