import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nelc_jax.oscillators import ForceMatching, Learner

from .systems import GENERATION, random_network


@pytest.mark.usefixtures("x64")
def test_a_step_descends_the_loss_of_denoising_score_matching():
    """By any optimiser, here plain descent, against autodiff with the same numbers."""
    network, parameters = random_network(4)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(20, 4)))
    learner = Learner(network, optimizer=optax.sgd(0.3), batch=8)

    def loss(parameters, key):
        points_key, share_key, measure_key = jax.random.split(key, 3)
        points = x[jax.random.randint(points_key, (3, 8), 0, 20)]
        share = jax.random.uniform(share_key, (3, 8), x.dtype)
        time = network.knots[:-1, None] + share * jnp.diff(network.knots)[:, None]
        knots = network.potential(parameters)
        m = ForceMatching().measure(network, knots, measure_key, points, share)
        alpha = GENERATION.noising.decay(time)[..., None]
        s = GENERATION.noising.spread(time)[..., None]
        c, front = GENERATION.pace, GENERATION.score_weight
        eps = (m.x - alpha * points) / s
        target = c * GENERATION.noising.stiffness * m.x - front * eps / s
        return jnp.sum((s / front) ** 2 * (m.force - target) ** 2) / 2 / 8

    @jax.jit
    def both(parameters):
        start = learner.init(jax.random.key(4), x)
        start = eqx.tree_at(lambda state: state.parameters, start, parameters)
        step_key = jax.random.fold_in(start.key, 0)
        return learner.step(start, x), jax.value_and_grad(loss)(parameters, step_key)

    (state, found_loss), (expected_loss, gradient) = both(parameters)
    np.testing.assert_allclose(found_loss, expected_loss * 8 / (3 * 8 * 4), rtol=1e-10)
    moved = jax.tree.map(jnp.subtract, parameters, state.parameters)
    found = jax.tree.map(lambda array: array / 0.3, moved)
    chex.assert_trees_all_close(found, gradient, rtol=1e-8, atol=1e-10)
    assert state.step == 1
