import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import lsq_linear

from nelc_jax import oscillators
from nelc_jax.oscillators import Quartic, all_to_all, lattice

from .systems import random_potential

pytestmark = pytest.mark.usefixtures("x64")

project = jax.jit(oscillators.project)
force = jax.jit(lambda potential, x: jax.vmap(potential.force)(x))
forces = jax.jit(jax.vmap(force, (0, None)))


def dense_solution(pairs, x, target):
    """Least squares with every parameter a column, and q bounded."""
    n = x.shape[1]
    edges = np.argwhere(pairs)
    count = 3 * n + len(edges)
    units = {name: np.zeros((count, n)) for name in ("b", "k", "q")}
    for row, unit in enumerate(units.values()):
        unit[row * n : (row + 1) * n] = np.eye(n)
    units["J"] = np.zeros((count, n, n))
    units["J"][(np.arange(3 * n, count), *edges.T)] = 1
    columns = forces(Quartic(**jax.tree.map(jnp.asarray, units)), x)
    low = np.full(count, -np.inf)
    low[2 * n : 3 * n] = 0
    found = lsq_linear(
        np.reshape(columns, (count, -1)).T,
        np.asarray(target).ravel(),
        (low, np.inf),
        tol=1e-14,
    )
    return found.x


@pytest.mark.parametrize("bounded", [False, True])
def test_against_dense_least_squares(bounded):
    pairs = lattice(2, 2, 1.0)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(60, 4)))
    p = random_potential(4)
    if bounded:
        p = Quartic(p.b, p.k, p.q * np.asarray([1, -1, 1, 1]), p.J)
    target = force(p, x) + 0.1 * rng.normal(size=(60, 4))
    found = jax.tree.map(np.asarray, project(jnp.asarray(pairs), x, target))
    expected = dense_solution(pairs, x, target)
    np.testing.assert_allclose(
        np.concatenate([found.b, found.k, found.q, found.J[pairs]]),
        expected,
        atol=2e-5,
    )
    assert (found.q == 0).any() == bounded


def test_forces_of_the_family_are_found_exactly():
    p = random_potential(4)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(60, 4)))
    found = project(jnp.asarray(all_to_all(4)), x, force(p, x))
    np.testing.assert_allclose(found.q, p.q, atol=1e-5)
    np.testing.assert_allclose(found.J, np.triu(p.J, 1), atol=1e-5)


def test_without_couplings():
    """The same as with pairs of which none is coupled."""
    rng = np.random.default_rng(2)
    x, target = jnp.asarray(rng.normal(size=(2, 60, 4)))
    found = project(None, x, target)
    none = project(jnp.zeros((4, 4), bool), x, target)
    assert found.J is None
    for name in ("b", "k", "q"):
        np.testing.assert_allclose(getattr(found, name), getattr(none, name), atol=2e-5)
