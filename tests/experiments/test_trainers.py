"""The controls: a part of the training slowed down or taken out."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.training.trainers import SLOW, Controlled, Cycles
from nelc_jax.latent import OneHot
from nelc_jax.training import Config

PLAIN = Cycles(OneHot(3), Config(8))


def moved(trainer):
    """What one gradient step adds to each parameter, from the same key and data."""
    x = jnp.asarray(np.random.default_rng(0).random((60, 6)) < 0.4)

    @jax.jit
    def step(key):
        start = trainer.init(key, x, 0.1)
        end, _ = trainer.train(start, x, jnp.asarray([16]))
        before, after = trainer.model(start), trainer.model(end)
        return jax.tree.map(jnp.subtract, after.parameters, before.parameters)

    return step(jax.random.key(0))


def test_the_backward_parameters_are_slowed_down():
    plain, slow = moved(PLAIN), moved(Controlled(PLAIN, "slow"))
    np.testing.assert_allclose(slow.w, plain.w, rtol=1e-5, atol=1e-6)
    for name in ("w_bar", "a_bar"):
        expected = SLOW * getattr(plain, name)
        assert abs(expected).max() > 1e-4
        np.testing.assert_allclose(getattr(slow, name), expected, rtol=1e-4, atol=1e-7)


def test_the_forward_parameters_are_frozen():
    frozen = moved(Controlled(PLAIN, "frozen"))
    assert not frozen.w.any()
    assert not frozen.a.any()
    assert abs(frozen.w_bar).max() > 0.01
