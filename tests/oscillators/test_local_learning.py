import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import diffusion
from nelc_jax.oscillators.learning import (
    forces_between,
    knot_gradient,
    local_gradient,
    loss_weight,
    measure_force,
)
from nelc_jax.oscillators.network import knot_potentials
from nelc_jax.oscillators.potential import Protocol, at_time, force
from nelc_jax.oscillators.training import Config, estimate_gradient

from .systems import GENERATION, random_network

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def batch():
    """Positions, targets and shares in three intervals, eight samples in each."""
    rng = np.random.default_rng(0)
    return (
        jnp.asarray(rng.normal(size=(3, 8, 4))),
        jnp.asarray(rng.normal(size=(3, 8, 4))),
        jnp.asarray(rng.uniform(size=(3, 8))),
    )


def test_forces_between_knots(batch):
    """The force of the potential that the protocol has at that time."""
    x, _, share = batch

    @jax.jit
    def both(network, parameters):
        knots = knot_potentials(network, parameters)
        numbered = Protocol(jnp.arange(4.0), knots)

        def one(cell, share, x):
            return force(at_time(numbered, cell + share), x)

        of_cell = jax.vmap(one, (None, 0, 0))
        return forces_between(knots, share, x), jax.vmap(of_cell)(
            jnp.arange(3), share, x
        )

    found, expected = both(*random_network(4))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_rule_is_the_gradient_of_the_loss(batch):
    """To rounding, for every parameter of every knot."""
    x, target, share = batch
    weight = jnp.asarray(np.random.default_rng(1).uniform(size=(3, 8, 1)))

    def loss(knots):
        error = forces_between(knots, share, x) - target
        return jnp.sum(weight * error**2) / 2 / 8

    @jax.jit
    def both(network, parameters):
        knots = knot_potentials(network, parameters)
        error = forces_between(knots, share, x) - target
        return knot_gradient(x, weight * error, share), jax.grad(loss)(knots)

    found, expected = both(*random_network(4))
    for name in ("b", "k", "q", "J"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-13
        )


def test_estimated_gradient_is_that_of_denoising_score_matching():
    """The whole step against autodiff of the loss with the same random numbers."""
    network, parameters = random_network(4)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(20, 4)))
    config, key = Config(batch=8), jax.random.key(4)

    def loss(parameters):
        points_key, share_key, measure_key = jax.random.split(key, 3)
        points = x[jax.random.randint(points_key, (3, 8), 0, 20)]
        share = jax.random.uniform(share_key, (3, 8), x.dtype)
        time = network.knots[:-1, None] + share * jnp.diff(network.knots)[:, None]
        knots = knot_potentials(network, parameters)
        m = measure_force(network, knots, measure_key, points, share, time)
        alpha = diffusion.decay(GENERATION.noising, time)[..., None]
        s = diffusion.spread(GENERATION.noising, time)[..., None]
        c, front = diffusion.pace(GENERATION), diffusion.score_weight(GENERATION)
        eps = (m.x - alpha * points) / s
        target = c * GENERATION.noising.stiffness * m.x - front * eps / s
        return jnp.sum((s / front) ** 2 * (m.force - target) ** 2) / 2 / 8

    @jax.jit
    def both(parameters):
        found = estimate_gradient(config, network, parameters, key, x)
        return found, jax.value_and_grad(loss)(parameters)

    (found, found_loss), (expected_loss, expected) = both(parameters)
    np.testing.assert_allclose(found_loss, expected_loss * 8 / (3 * 8 * 4), rtol=1e-10)
    for name in ("b", "k", "q", "J"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-8, atol=1e-10
        )


def test_locality():
    """Nothing at a third node enters J_ij's gradient, nor another node b, k and q."""
    rng = np.random.default_rng(5)
    x, error = rng.normal(size=(2, 16, 5))
    gradient = jax.jit(local_gradient)
    before = gradient(jnp.asarray(x), jnp.asarray(error))
    i, j, others = 1, 3, [0, 2, 4]
    x[:, others], error[:, others] = rng.normal(size=(2, 16, 3)) * 100
    after = gradient(jnp.asarray(x), jnp.asarray(error))
    assert before.J[i, j] == after.J[i, j]
    for name in ("b", "k", "q"):
        first, second = getattr(before, name), getattr(after, name)
        assert first[i] == second[i]
        assert first[j] == second[j]
        assert first[0] != second[0]
    # The control: what happens at an end does matter.
    error[:, j] += 1
    assert gradient(jnp.asarray(x), jnp.asarray(error)).J[i, j] != after.J[i, j]


def test_loss_weight_makes_the_noise_of_the_target_one():
    """Var of the conditional target is (c kT + kT')^2 / s^2 at every time."""

    @jax.jit
    def noise(network, parameters):
        knots = knot_potentials(network, parameters)
        share = jnp.full((3, 4000), 0.5)
        middle = (network.knots[:-1] + network.knots[1:]) / 2
        time = jnp.broadcast_to(middle[:, None], share.shape)
        points = jnp.zeros((3, 4000, 2))
        m = measure_force(network, knots, jax.random.key(0), points, share, time)
        c, kappa = diffusion.pace(GENERATION), GENERATION.noising.stiffness
        of_target = m.target - c * kappa * m.x
        return loss_weight(network, time)[..., None] * of_target**2

    noise = np.asarray(noise(*random_network(2)))
    # Of 8000 squares of normal numbers: 3.8 standard errors sqrt(2 / 8000).
    np.testing.assert_allclose(noise.mean((1, 2)), 1, atol=0.06)
