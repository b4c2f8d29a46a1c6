import itertools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Quartic, QuarticNetwork, all_to_all

from .systems import GENERATION, NOISING, random_network, random_potential

pytestmark = pytest.mark.usefixtures("x64")


def test_energy_and_force():
    """Against a sum over sites and pairs, and its derivative."""
    p = random_potential(4)
    b, k, q, J = map(np.asarray, (p.b, p.k, p.q, p.J))
    x = np.random.default_rng(1).normal(size=4)
    expected = sum(
        b[i] * x[i] + k[i] * x[i] ** 2 / 2 + q[i] * x[i] ** 4 / 4 for i in range(4)
    ) + sum(J[i, j] * x[i] * x[j] for i, j in itertools.combinations(range(4), 2))
    x = jnp.asarray(x)
    value, slope = jax.jit(jax.value_and_grad(Quartic.energy, 1))(p, x)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    chex.assert_trees_all_close(jax.jit(Quartic.force)(p, x), -slope, rtol=1e-12)


def test_trap():
    x = jnp.asarray([0.3, -2.0])
    trap = Quartic.trap(2, 1.7)
    found = jax.jit(Quartic.energy)(trap, x)
    np.testing.assert_allclose(found, 1.7 * (0.09 + 4) / 2, rtol=1e-12)
    chex.assert_trees_all_close(jax.jit(Quartic.force)(trap, x), -1.7 * x, rtol=1e-12)


def test_locality():
    """Nothing at a third node enters J_ij's gradient, nor another node b, k and q."""
    rng = np.random.default_rng(5)
    x, error = jnp.asarray(rng.normal(size=(2, 16, 5)))
    gradient = partial(jax.jit(Quartic.local_gradient), random_potential(5))
    before = gradient(x, error)
    i, j, others = 1, 3, jnp.array([0, 2, 4])
    x, error = jnp.stack([x, error]).at[..., others].mul(100)
    after = gradient(x, error)
    assert before.J[i, j] == after.J[i, j]
    for name in ("b", "k", "q"):
        first, second = getattr(before, name), getattr(after, name)
        assert first[i] == second[i]
        assert first[j] == second[j]
        assert first[0] != second[0]
    # The control: what happens at an end does matter.
    assert gradient(x, error.at[:, j].add(1)).J[i, j] != after.J[i, j]


def test_init_is_exact_for_independent_normal_data():
    """The force of the start is the one that undoes the noising of such data."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(50, 3)) * [0.2, 1.0, 0.0] + [1.0, 0.0, -1.0])
    knots = NOISING.geometric_times(4)
    network = QuarticNetwork(GENERATION, knots, jnp.asarray(all_to_all(3)))
    mean, variance = x.mean(0), x.var(0)

    @jax.jit
    def both(positions):
        def exact(time, at):
            alpha, s = NOISING.decay(time), NOISING.spread(time)
            score = -(at - alpha * mean) / (alpha**2 * variance + s**2)
            return GENERATION.reverse_force(at, score)

        found = network.potential(network.init(jax.random.key(0), x))
        without = Quartic(found.b, found.k, 0 * found.q, found.J)
        forces = jax.vmap(lambda knot, at: knot.force(at))(without, positions)
        return found.q, forces, jax.vmap(exact)(network.knots, positions)

    q, found, expected = both(jnp.asarray(rng.normal(size=(4, 3))))
    assert (q > 0).all()
    chex.assert_trees_all_close(found, expected, rtol=1e-9)


def test_potential_keeps_the_family():
    """And has the units of its knot: K, K l and K / l^2 with K = (c kT + kT') / s^2."""
    network, parameters = random_network(5)
    found = jax.jit(QuarticNetwork.potential)(network, parameters)
    assert (found.q > 0).all()
    uncoupled = ~np.broadcast_to(network.pairs, found.J.shape)
    assert (np.asarray(found.J)[uncoupled] == 0).all()
    front = GENERATION.pace * NOISING.bath.temperature + GENERATION.bath.temperature
    variance = 1 - np.exp(-2 * 0.7 * 1.3 * np.asarray(network.knots))
    K, length = front / (variance * 0.6 / 1.3), np.sqrt(0.6 / 1.3)
    rows = np.asarray(K)[:, None]
    expected = (
        rows * length * parameters.b,
        rows * parameters.k,
        rows / length**2 * np.log1p(np.exp(parameters.q)),
        rows[..., None] * np.where(network.pairs, parameters.J, 0),
    )
    chex.assert_trees_all_close(tuple(jax.tree.leaves(found)), expected, rtol=1e-9)
