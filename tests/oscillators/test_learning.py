import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import ForceMatching, Learner

from .systems import GENERATION, random_network


@pytest.mark.usefixtures("x64")
def test_estimated_gradient_is_that_of_denoising_score_matching():
    """The whole step against autodiff of the loss with the same random numbers."""
    network, parameters = random_network(4)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(20, 4)))
    learner, key = Learner(network, batch=8), jax.random.key(4)

    def loss(parameters):
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
        found = learner.gradient(parameters, key, x)
        return found, jax.value_and_grad(loss)(parameters)

    (found, found_loss), (expected_loss, expected) = both(parameters)
    np.testing.assert_allclose(found_loss, expected_loss * 8 / (3 * 8 * 4), rtol=1e-10)
    chex.assert_trees_all_close(found, expected, rtol=1e-8, atol=1e-10)
