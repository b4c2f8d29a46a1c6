"""The ceiling of every one-hot model: the best mixture of as many components, by EM."""

import jax
import jax.numpy as jnp

from experiments.data.dataset import Dataset
from nelc_jax.baselines import BernoulliMixture, mixture

RESTARTS, STEPS = 24, 200


def best_mixture(x: jax.Array, units: int) -> BernoulliMixture:
    """The best of several starts of EM, always the same ones."""
    key = jax.random.key(0)
    return mixture.best(*mixture.fit_restarts(key, units, x, RESTARTS, STEPS))[0]


def ceiling(train: Dataset, units: int) -> float:
    """The log-likelihood of the best mixture, in nats a point."""
    x = jnp.asarray(train.x)

    @jax.jit
    def found():
        return mixture.fit_restarts(jax.random.key(0), units, x, RESTARTS, STEPS)[1]

    return float(found().max())
