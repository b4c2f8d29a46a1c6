"""The controls: a part of the training slowed down or taken out."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.horizon.controls import SLOW, frozen, slow
from experiments.training.settings import Settings

SETTINGS = Settings(units=3, chain_length=8)


def moved(rule):
    """What one gradient step adds to each parameter, from the same key and data."""
    x = jnp.asarray(np.random.default_rng(0).random((60, 6)) < 0.4)

    @jax.jit
    def step(key):
        start = rule.init(key, x)
        end, _ = rule.step(start, x, jnp.int32(16))
        before, after = rule.model(start), rule.model(end)
        return jax.tree.map(jnp.subtract, after.parameters, before.parameters)

    return step(jax.random.key(0))


def test_the_backward_parameters_are_slowed_down():
    plain, slowed = moved(SETTINGS.rule()), moved(slow(SETTINGS))
    np.testing.assert_allclose(slowed.w, plain.w, rtol=1e-5, atol=1e-6)
    for name in ("w_bar", "a_bar"):
        expected = SLOW * getattr(plain, name)
        assert abs(expected).max() > 1e-4
        # The difference of two numbers near a tenth: an eps of 1e-7 each.
        np.testing.assert_allclose(
            getattr(slowed, name), expected, rtol=1e-4, atol=1e-7
        )


def test_the_forward_parameters_are_frozen():
    change = moved(frozen(SETTINGS))
    assert not change.w.any()
    assert not change.a.any()
    assert abs(change.w_bar).max() > 0.01
