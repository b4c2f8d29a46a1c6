import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import (
    Bath,
    ForceMatching,
    Generation,
    Learner,
    ObservedMotion,
    Quartic,
    QuarticNetwork,
)

from ..compilation import long_run
from .systems import GENERATION, NOISING, random_network

MEAN, DEVIATION = 0.6, 0.4


def test_settings_are_checked(unchecked):
    with pytest.raises(ValueError, match=r"fraction=1\.0: expected between 0 and 1"):
        ObservedMotion(fraction=1.0)
    with pytest.raises(ValueError, match="substeps=0: expected at least 1"):
        ObservedMotion(substeps=0)


def test_duration_stays_within_the_noising():
    times = jnp.asarray(np.geomspace(1e-3, 5, 20))
    watched = jax.jit(lambda times: ObservedMotion(0.9).duration(NOISING, times))(times)
    assert (np.asarray(watched) < 0.9 * np.asarray(times) * (1 + 1e-5)).all()


@pytest.mark.usefixtures("x64")
def test_watched_path_is_one_of_the_noising():
    """Covariances of x at t - delta, t, t + delta are those of the trap."""
    point, time = jnp.full((60000, 1), 0.8), jnp.full(60000, 0.5)
    normals = jnp.asarray(np.random.default_rng(0).normal(size=(3, 60000, 1)))

    @jax.jit
    def watched(normals):
        rule = ObservedMotion(0.6)
        path = rule.watch_noising(NOISING, normals, point, time)
        delta = rule.duration(NOISING, time[0])
        times = time[0] + delta * jnp.asarray([-1.0, 0.0, 1.0])
        # Cov(x_t, x_u) = alpha(u - t) s(t)^2 for t < u.
        early = jnp.minimum(times[:, None], times[None])
        late = jnp.maximum(times[:, None], times[None])
        covariance = NOISING.decay(late - early) * NOISING.spread(early) ** 2
        return jnp.stack(path)[..., 0], 0.8 * NOISING.decay(times), covariance

    path, mean, covariance = map(np.asarray, watched(normals))
    np.testing.assert_allclose(path.mean(1), mean, atol=0.01)
    np.testing.assert_allclose(np.cov(path), covariance, atol=0.008)


def test_both_estimates_given_the_position(unchecked):
    """Regressed on x, the displacements give F and F* up to a bias of order delta.

    For normal data and no quartic force both are linear in x: slope and intercept.
    """
    network, _ = random_network(1, knots=2)
    network = QuarticNetwork(GENERATION, jnp.asarray([0.6, 0.5999]), network.pairs)

    def errors(fraction):
        data = jnp.asarray([[MEAN - DEVIATION], [MEAN + DEVIATION]])
        knots = network.potential(network.init(jax.random.key(0), data))
        knots = Quartic(knots.b + 0.3, 1.2 * knots.k, 0 * knots.q, knots.J)
        alpha, s = NOISING.decay(jnp.asarray(0.6)), NOISING.spread(jnp.asarray(0.6))
        front = GENERATION.score_weight / (alpha**2 * DEVIATION**2 + s**2)
        slope = GENERATION.pace * NOISING.stiffness - front
        exact_target = (slope, front * alpha * MEAN)
        exact_force = (-knots.k[0, 0], -knots.b[0, 0])
        points_key, key = jax.random.split(jax.random.key(1))
        points = MEAN + DEVIATION * jax.random.normal(points_key, (1, 600_000, 1))
        m = ObservedMotion(fraction, 8).measure(
            network, knots, key, points, jnp.zeros((1, 600_000))
        )
        x = m.x.ravel()
        rows = []
        for y, exact in ((m.target, exact_target), (m.force, exact_force)):
            centred = x - x.mean()
            found = jnp.mean(centred * y.ravel()) / jnp.mean(centred**2)
            at_zero = y.mean() - found * x.mean()
            rows.append(jnp.stack([found - exact[0], at_zero - exact[1]]))
        return jnp.stack(rows), jnp.stack([m.target.var(), m.force.var()])

    both = long_run(lambda: (errors(0.6), errors(0.15)))()
    (coarse, coarse_variance), (fine, fine_variance) = jax.tree.map(np.asarray, both)
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
    network = QuarticNetwork(hot, jnp.asarray([0.6, 0.5]), network.pairs)
    alpha, s = NOISING.decay(jnp.asarray(0.6)), NOISING.spread(jnp.asarray(0.6))
    variance = alpha**2 * DEVIATION**2 + s**2
    expected = hot.pace * NOISING.stiffness - hot.score_weight / variance

    @jax.jit
    def slope(key):
        points_key, key = jax.random.split(key)
        points = DEVIATION * jax.random.normal(points_key, (1, 200_000, 1))
        knots, share = network.potential(parameters), jnp.zeros((1, 200_000))
        m = ObservedMotion(0.15, 1).measure(network, knots, key, points, share)
        return jnp.mean(m.x * m.target) / jnp.mean(m.x**2)

    # Its bias is of order delta, its noise 0.02; the weight's sign makes 2.
    assert abs(slope(jax.random.key(0)) - expected) < 0.2


def test_gradient_agrees_with_force_matching(unchecked):
    """In the mean, better for shorter times; and noisier for shorter times."""
    network, parameters = random_network(3, knots=3)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(40, 3)) * 0.5)
    b, k, J = (0.2 * np.asarray(a) for a in (parameters.b, parameters.k, parameters.J))
    q = np.full_like(k, -3.0)
    parameters = Quartic(*map(jnp.asarray, (b, k, q, J)))
    rules = ForceMatching(), ObservedMotion(0.4, 4), ObservedMotion(0.1, 4)

    @jax.jit
    def gradients(key):
        def one(key):
            found = (
                Learner(network, rule, batch=400).gradient(parameters, key, x)[0]
                for rule in rules
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
    network = QuarticNetwork(GENERATION, jnp.asarray([0.6, 0.5]), network.pairs)

    @jax.jit
    def measured(scale):
        knots = network.potential(parameters)
        scaled = jax.tree.map(lambda a: scale * a, knots)
        key, points = jax.random.key(0), jnp.ones((1, 4, 2))
        share = jnp.zeros((1, 4))
        return ObservedMotion().measure(network, scaled, key, points, share).force

    thermal = measured(0.0)
    chex.assert_trees_all_close(measured(1e-12), thermal, rtol=1e-5)
    assert not np.allclose(measured(1.0), thermal, rtol=1e-5)
