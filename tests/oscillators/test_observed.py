from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import GENERATION, NOISING, random_network

from nelc_jax.oscillators import diffusion
from nelc_jax.oscillators.network import Network, init_parameters, knot_potentials
from nelc_jax.oscillators.observed import (
    measure_motion,
    observation_time,
    watch_noising,
)
from nelc_jax.oscillators.training import Config, estimate_gradient

MEAN, DEVIATION = 0.6, 0.4


def test_observation_time_stays_within_the_noising():
    times = jnp.geomspace(1e-3, 5, 20)
    assert (observation_time(NOISING, times, 0.9) < 0.9 * times * (1 + 1e-5)).all()


@pytest.mark.usefixtures("x64")
def test_watched_path_is_one_of_the_noising():
    """Covariances of x at t - delta, t, t + delta are those of the trap."""
    point, time, delta = (jnp.full(60000, value) for value in (0.8, 0.5, 0.2))
    normals = jax.random.normal(jax.random.key(0), (3, 60000, 1))
    path = watch_noising(NOISING, normals, point[:, None], time, delta)
    path = np.stack([np.asarray(x)[:, 0] for x in path])
    times = np.array([0.3, 0.5, 0.7])
    np.testing.assert_allclose(
        path.mean(1), 0.8 * diffusion.decay(NOISING, jnp.asarray(times)), atol=0.01
    )
    # Cov(x_t, x_u) = alpha(u - t) s(t)^2 for t < u.
    early, late = np.minimum.outer(times, times), np.maximum.outer(times, times)
    expected = diffusion.decay(NOISING, jnp.asarray(late - early)) * (
        diffusion.spread(NOISING, jnp.asarray(early)) ** 2
    )
    np.testing.assert_allclose(np.cov(path), expected, atol=0.008)


def test_both_estimates_given_the_position(unchecked):
    """Regressed on x, the displacements give F and F* up to a bias of order delta.

    For normal data and no quartic force both are linear in x: slope and intercept.
    """
    network, _ = random_network(1, knots=2)
    network = Network(network.generation, network.pairs, jnp.asarray([0.6, 0.5999]))
    data = jnp.asarray([[MEAN - DEVIATION], [MEAN + DEVIATION]])
    start = init_parameters(network, data)
    knots = knot_potentials(network, start)
    knots = type(knots)(knots.b + 0.3, 1.2 * knots.k, 0 * knots.q, knots.J)
    time = jnp.full((1, 600_000), 0.6)
    points_key, key = jax.random.split(jax.random.key(1))
    points = MEAN + DEVIATION * jax.random.normal(points_key, (1, 600_000, 1))
    alpha, s = diffusion.decay(NOISING, 0.6), diffusion.spread(NOISING, 0.6)
    front = diffusion.score_weight(GENERATION) / (alpha**2 * DEVIATION**2 + s**2)
    slope = diffusion.pace(GENERATION) * NOISING.stiffness - front
    exact_target = (slope, front * alpha * MEAN)
    exact_force = (-knots.k[0, 0], -knots.b[0, 0])

    @jax.jit
    def errors(fraction):
        m = measure_motion(
            network, knots, key, points, jnp.zeros_like(time), time, fraction, 8
        )
        x = m.x.ravel()
        rows = []
        for y, exact in ((m.target, exact_target), (m.force, exact_force)):
            centred = x - x.mean()
            found = jnp.mean(centred * y.ravel()) / jnp.mean(centred**2)
            rows.append(
                jnp.stack(
                    [
                        found - exact[0],
                        y.mean() - found * x.mean() - exact[1],
                    ]
                )
            )
        return jnp.stack(rows), jnp.stack([m.target.var(), m.force.var()])

    coarse, coarse_variance = errors(0.6)
    fine, fine_variance = errors(0.15)
    np.testing.assert_allclose(fine, 0, atol=0.12)
    # The slopes' biases stand out of the noise: a quarter of the time, a quarter.
    ratio = coarse[:, 0] / fine[:, 0]
    assert (ratio > 2.2).all()
    assert (ratio < 7).all()
    assert (fine_variance > 3 * coarse_variance).all()


def test_gradient_agrees_with_force_matching(unchecked):
    """In the mean, better for shorter times; and noisier for shorter times."""
    network, parameters = random_network(3, knots=3)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(40, 3)) * 0.5)
    q = jnp.full_like(parameters.q, -3.0)
    parameters = jax.tree.map(lambda a: 0.2 * a, parameters)
    parameters = type(parameters)(parameters.b, parameters.k, q, parameters.J)
    keys = jax.random.split(jax.random.key(3), 100)

    @partial(jax.jit, static_argnums=(0, 1))
    def gradients(rule, fraction):
        config = Config(rule, batch=400, fraction=fraction, substeps=4)

        def one(key):
            gradient, _ = estimate_gradient(config, network, parameters, key, x)
            return jax.flatten_util.ravel_pytree(gradient)[0]

        return jax.lax.map(one, keys)

    exact = gradients("force", 0.1)
    coarse, fine = (gradients("observed", f) for f in (0.4, 0.1))

    def distance(one, other):
        return float(jnp.linalg.norm(one.mean(0) - other.mean(0)))

    def noise(found):
        return float(jnp.linalg.norm(found.std(0)) / np.sqrt(len(found)))

    size = float(jnp.linalg.norm(exact.mean(0)))
    assert distance(fine, exact) < 0.1 * size
    assert distance(coarse, exact) > 2 * distance(fine, exact)
    assert noise(fine) > 1.7 * noise(coarse) > noise(exact)


@pytest.mark.parametrize("scale", [1e-12, 1.0])
def test_no_force_is_read(scale):
    """Where the network cannot move, only its thermal motion is left to measure.

    The control: where it can, the potential enters.
    """
    network, parameters = random_network(2, knots=2)
    knots = knot_potentials(network, parameters)
    key, time = jax.random.key(0), jnp.full((1, 4), 0.6)
    share, points = jnp.zeros((1, 4)), jnp.ones((1, 4, 2))

    @jax.jit
    def measured(scale):
        scaled = jax.tree.map(lambda a: scale * a, knots)
        return measure_motion(network, scaled, key, points, share, time, 0.1, 2).force

    same = np.allclose(measured(scale), measured(0.0), rtol=1e-5)
    assert same == (scale < 1)
