import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Bath, Generation, diffusion
from nelc_jax.oscillators.network import (
    Network,
    Parameters,
    init_parameters,
    knot_potentials,
)
from nelc_jax.oscillators.observed import (
    measure_motion,
    observation_time,
    watch_noising,
)
from nelc_jax.oscillators.potential import Potential
from nelc_jax.oscillators.training import Config, estimate_gradient

from .systems import GENERATION, NOISING, random_network

MEAN, DEVIATION = 0.6, 0.4


def test_observation_time_stays_within_the_noising():
    times = jnp.asarray(np.geomspace(1e-3, 5, 20))
    watched = jax.jit(lambda times: observation_time(NOISING, times, 0.9))(times)
    assert (np.asarray(watched) < 0.9 * np.asarray(times) * (1 + 1e-5)).all()


@pytest.mark.usefixtures("x64")
def test_watched_path_is_one_of_the_noising():
    """Covariances of x at t - delta, t, t + delta are those of the trap."""
    point, time, delta = (jnp.asarray(np.full(60000, v)) for v in (0.8, 0.5, 0.2))
    normals = jnp.asarray(np.random.default_rng(0).normal(size=(3, 60000, 1)))
    path = jax.jit(watch_noising)(NOISING, normals, point[:, None], time, delta)
    path = np.stack([np.asarray(x)[:, 0] for x in path])
    times = np.array([0.3, 0.5, 0.7])
    decay, spread = map(jax.jit, (diffusion.decay, diffusion.spread))
    np.testing.assert_allclose(
        path.mean(1), 0.8 * np.asarray(decay(NOISING, jnp.asarray(times))), atol=0.01
    )
    # Cov(x_t, x_u) = alpha(u - t) s(t)^2 for t < u.
    early, late = np.minimum.outer(times, times), np.maximum.outer(times, times)
    expected = np.asarray(decay(NOISING, jnp.asarray(late - early))) * (
        np.asarray(spread(NOISING, jnp.asarray(early))) ** 2
    )
    np.testing.assert_allclose(np.cov(path), expected, atol=0.008)


def test_both_estimates_given_the_position(unchecked):
    """Regressed on x, the displacements give F and F* up to a bias of order delta.

    For normal data and no quartic force both are linear in x: slope and intercept.
    """
    network, _ = random_network(1, knots=2)
    network = Network(network.generation, network.pairs, jnp.asarray([0.6, 0.5999]))

    @jax.jit
    def errors(fraction):
        data = jnp.asarray([[MEAN - DEVIATION], [MEAN + DEVIATION]])
        knots = knot_potentials(network, init_parameters(network, data))
        knots = Potential(knots.b + 0.3, 1.2 * knots.k, 0 * knots.q, knots.J)
        alpha, s = diffusion.decay(NOISING, 0.6), diffusion.spread(NOISING, 0.6)
        front = diffusion.score_weight(GENERATION) / (alpha**2 * DEVIATION**2 + s**2)
        slope = diffusion.pace(GENERATION) * NOISING.stiffness - front
        exact_target = (slope, front * alpha * MEAN)
        exact_force = (-knots.k[0, 0], -knots.b[0, 0])
        time = jnp.full((1, 600_000), 0.6)
        points_key, key = jax.random.split(jax.random.key(1))
        points = MEAN + DEVIATION * jax.random.normal(points_key, (1, 600_000, 1))
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

    coarse, coarse_variance = map(np.asarray, errors(0.6))
    fine, fine_variance = map(np.asarray, errors(0.15))
    np.testing.assert_allclose(fine, 0, atol=0.12)
    # The slopes' biases stand out of the noise: a quarter of the time, a quarter.
    ratio = coarse[:, 0] / fine[:, 0]
    assert (ratio > 2.2).all()
    assert (ratio < 7).all()
    assert (fine_variance > 3 * coarse_variance).all()


def test_the_motion_onwards_has_its_part_in_the_target():
    """In a hot bath A - c, its weight, is 0.8; in `GENERATION` it is 0.01."""
    network, parameters = random_network(1, knots=2)
    hot = Generation(NOISING, Bath(1.9, 1.4), 1.7)
    network = Network(hot, network.pairs, network.knots)
    time = jnp.asarray(0.6)
    alpha, s = diffusion.decay(NOISING, time), diffusion.spread(NOISING, time)
    outward = diffusion.pace(hot) * NOISING.stiffness
    variance = alpha**2 * DEVIATION**2 + s**2
    expected = outward - diffusion.score_weight(hot) / variance

    @jax.jit
    def slope(key):
        points_key, key = jax.random.split(key)
        points = DEVIATION * jax.random.normal(points_key, (1, 200_000, 1))
        knots = knot_potentials(network, parameters)
        times = jnp.full((1, 200_000), time)
        share = jnp.zeros_like(times)
        m = measure_motion(network, knots, key, points, share, times, 0.15, 1)
        return jnp.mean(m.x * m.target) / jnp.mean(m.x**2)

    # Its bias is of order delta, its noise 0.02; the weight's sign makes 2.
    assert abs(slope(jax.random.key(0)) - expected) < 0.2


def test_gradient_agrees_with_force_matching(unchecked):
    """In the mean, better for shorter times; and noisier for shorter times."""
    network, parameters = random_network(3, knots=3)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(40, 3)) * 0.5)
    b, k, J = (0.2 * np.asarray(a) for a in (parameters.b, parameters.k, parameters.J))
    q = np.full_like(k, -3.0)
    parameters = Parameters(*map(jnp.asarray, (b, k, q, J)))

    configs = [
        Config(rule, batch=400, fraction=fraction, substeps=4)
        for rule, fraction in (("force", 0.1), ("observed", 0.4), ("observed", 0.1))
    ]

    @jax.jit
    def gradients(key):
        def one(key):
            found = (
                estimate_gradient(config, network, parameters, key, x)[0]
                for config in configs
            )
            return [jax.flatten_util.ravel_pytree(gradient)[0] for gradient in found]

        return jax.lax.map(one, jax.random.split(key, 100))

    exact, coarse, fine = map(np.asarray, gradients(jax.random.key(3)))

    def distance(one, other):
        return np.linalg.norm(one.mean(0) - other.mean(0))

    def noise(found):
        return np.linalg.norm(found.std(0)) / np.sqrt(len(found))

    size = np.linalg.norm(exact.mean(0))
    assert distance(fine, exact) < 0.1 * size
    assert distance(coarse, exact) > 2 * distance(fine, exact)
    assert noise(fine) > 1.7 * noise(coarse) > noise(exact)


def test_no_force_is_read():
    """Where the network cannot move, only its thermal motion is left to measure.

    The control: where it can, the potential enters.
    """
    network, parameters = random_network(2, knots=2)

    @jax.jit
    def measured(scale):
        knots = knot_potentials(network, parameters)
        scaled = jax.tree.map(lambda a: scale * a, knots)
        key, time = jax.random.key(0), jnp.full((1, 4), 0.6)
        share, points = jnp.zeros((1, 4)), jnp.ones((1, 4, 2))
        return measure_motion(network, scaled, key, points, share, time, 0.1, 2).force

    thermal = measured(0.0)
    np.testing.assert_allclose(measured(1e-12), thermal, rtol=1e-5)
    assert not np.allclose(measured(1.0), thermal, rtol=1e-5)
