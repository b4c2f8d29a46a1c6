"""The decoder with a free prior: the slope of its exact likelihood, and its ceiling."""

from functools import partial

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nelc_jax import Binary, OneHot, rmsprop, train
from nelc_jax._random import draw_indices
from nelc_jax.likelihood import occupancy_log_prob
from nelc_jax.rules import BeliefNetwork

from .. import reference

KEY = jax.random.key(1)


def likelihood(rule, state, x):
    log_p = occupancy_log_prob(rule.model(state), rule.occupancy(state), x)
    return jnp.mean(log_p)


@pytest.mark.parametrize("latent", [Binary(2), OneHot(3)], ids=str)
def test_a_step_is_the_slope(latent, x, x64):
    """By autodiff through the enumerated likelihood, on the points that it draws."""
    rule = BeliefNetwork(latent, optax.sgd(1.0))
    rng = np.random.default_rng(0)

    def with_parameters(parameters):
        return eqx.tree_at(lambda s: s.model.parameters, rule.init(KEY, x), parameters)

    start = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)),
        rule.init(KEY, x).model.parameters,
    )
    state = with_parameters(start)
    key = jax.random.fold_in(state.key, 0)
    batch = x[draw_indices(key, 20, len(x))]

    @jax.jit
    @jax.value_and_grad
    def slope(parameters):
        return likelihood(rule, with_parameters(parameters), batch)

    value, expected = slope(start)
    found, info = jax.jit(rule.step)(state, x, jnp.int32(20))
    change = jax.tree.map(jnp.subtract, found.model.parameters, start)
    if latent.absorbs_visible_bias:
        # Eq. 20: left alone.
        expected = eqx.tree_at(lambda p: p.a, expected, jnp.zeros_like(start.a))
    chex.assert_trees_all_close(change, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(info.log_likelihood, value, rtol=1e-12)
    assert info.finite


def test_one_hot_states_make_the_best_mixture(x):
    """Which EM finds as well; the prior starts uniform and ends as the patterns."""
    rule = BeliefNetwork(
        OneHot(3), rmsprop(lambda step: 0.05 / (1 + (step / 100) ** 2))
    )
    start = rule.init(KEY, x)
    np.testing.assert_allclose(rule.occupancy(start), 1 / 3, rtol=1e-6)
    sizes = jnp.asarray(np.full(500, 64))
    end, _ = jax.jit(partial(train, rule))(start, x, sizes)
    best = reference.best_mixture(np.asarray(x), 3)
    assert best - 0.1 < likelihood(rule, end, x) < best + 1e-3
