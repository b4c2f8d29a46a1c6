import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators.potential import (
    Protocol,
    all_to_all,
    at_time,
    energy,
    force,
    harmonic_trap,
    lattice,
)

from .systems import random_potential, stack


@pytest.mark.usefixtures("x64")
def test_energy_and_force():
    """Against a sum over sites and pairs, and its derivative."""
    p = random_potential(4)
    b, k, q, J = map(np.asarray, (p.b, p.k, p.q, p.J))
    x = np.random.default_rng(1).normal(size=4)
    expected = sum(
        b[i] * x[i] + k[i] * x[i] ** 2 / 2 + q[i] * x[i] ** 4 / 4 for i in range(4)
    ) + sum(J[i, j] * x[i] * x[j] for i, j in itertools.combinations(range(4), 2))
    x = jnp.asarray(x)
    value, slope = jax.jit(jax.value_and_grad(energy, 1))(p, x)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(force)(p, x), -slope, rtol=1e-12)


def test_trap():
    x = jnp.asarray([0.3, -2.0])
    trap = harmonic_trap(2, 1.7)
    found = jax.jit(energy)(trap, x)
    np.testing.assert_allclose(found, 1.7 * (0.09 + 4) / 2, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(force)(trap, x), -1.7 * np.asarray(x), rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_protocol_is_linear_between_its_times():
    knots = [random_potential(3, seed) for seed in range(3)]
    protocol = Protocol(jnp.asarray([0.0, 0.5, 2.0]), stack(knots))
    at = jax.jit(at_time)
    for time, before, after, share in (
        (-1.0, 0, 1, 0.0),
        (0.0, 0, 1, 0.0),
        (0.1, 0, 1, 0.2),
        (0.5, 0, 1, 1.0),
        (1.4, 1, 2, 0.6),
        (2.0, 1, 2, 1.0),
        (9.0, 1, 2, 1.0),
    ):
        found = at(protocol, jnp.asarray(time))
        expected = jax.tree.map(
            lambda a, b, s=share: (1 - s) * np.asarray(a) + s * np.asarray(b),
            knots[before],
            knots[after],
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
