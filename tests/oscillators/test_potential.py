import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import random_potential

from nelc_jax.oscillators.potential import (
    Protocol,
    all_to_all,
    at_time,
    energy,
    force,
    harmonic_trap,
    lattice,
)


@pytest.mark.usefixtures("x64")
def test_energy_and_force():
    """Against a sum over sites and pairs, and its derivative."""
    p = random_potential(4)
    x = np.random.default_rng(1).normal(size=4)
    expected = sum(
        p.b[i] * x[i] + p.k[i] * x[i] ** 2 / 2 + p.q[i] * x[i] ** 4 / 4
        for i in range(4)
    ) + sum(p.J[i, j] * x[i] * x[j] for i, j in itertools.combinations(range(4), 2))
    x = jnp.asarray(x)
    np.testing.assert_allclose(energy(p, x), expected, rtol=1e-12)
    np.testing.assert_allclose(force(p, x), -jax.grad(energy, 1)(p, x), rtol=1e-12)


def test_trap():
    x = jnp.asarray([0.3, -2.0])
    trap = harmonic_trap(2, 1.7)
    np.testing.assert_allclose(energy(trap, x), 1.7 * (0.09 + 4) / 2, rtol=1e-6)
    np.testing.assert_allclose(force(trap, x), -1.7 * x, rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_protocol_is_linear_between_its_times():
    knots = [random_potential(3, seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *knots)
    protocol = Protocol(jnp.asarray([0.0, 0.5, 2.0]), stacked)
    for time, before, after, share in (
        (-1.0, 0, 1, 0.0),
        (0.0, 0, 1, 0.0),
        (0.1, 0, 1, 0.2),
        (0.5, 0, 1, 1.0),
        (1.4, 1, 2, 0.6),
        (2.0, 1, 2, 1.0),
        (9.0, 1, 2, 1.0),
    ):
        found = at_time(protocol, jnp.asarray(time))
        expected = jax.tree.map(
            lambda a, b, s=share: (1 - s) * a + s * b, knots[before], knots[after]
        )
        jax.tree.map(
            lambda f, e: np.testing.assert_allclose(f, e, atol=1e-12), found, expected
        )


def test_topologies():
    assert all_to_all(5).sum() == 10
    for radius in (1.0, 1.5, 2.3):
        pairs = lattice(3, 4, radius)
        for i, j in itertools.product(range(12), repeat=2):
            distance = np.hypot(i // 4 - j // 4, i % 4 - j % 4)
            assert pairs[i, j] == (i < j and distance <= radius)
    np.testing.assert_array_equal(lattice(3, 4, 9.0), all_to_all(12))
