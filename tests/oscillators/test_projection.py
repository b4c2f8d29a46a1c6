import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import lsq_linear
from systems import random_potential

from nelc_jax.oscillators.potential import Potential, all_to_all, force, lattice
from nelc_jax.oscillators.projection import project

pytestmark = pytest.mark.usefixtures("x64")


def dense_solution(pairs, x, target):
    """Least squares with every parameter a column, and q bounded."""
    n = x.shape[1]
    edges = np.argwhere(pairs)
    zero = Potential(*(jnp.zeros(n) for _ in range(3)), jnp.zeros((n, n)))
    units = []
    for name in ("b", "k", "q"):
        for i in range(n):
            fields = vars(zero) | {name: jnp.zeros(n).at[i].set(1.0)}
            units.append(Potential(**fields))
    for i, j in edges:
        units.append(Potential(**vars(zero) | {"J": zero.J.at[i, j].set(1.0)}))
    columns = [
        np.asarray(jax.vmap(force, (None, 0))(unit, x)).ravel() for unit in units
    ]
    low = np.full(len(units), -np.inf)
    low[2 * n : 3 * n] = 0
    found = lsq_linear(
        np.stack(columns, 1), np.asarray(target).ravel(), (low, np.inf), tol=1e-14
    )
    return found.x


@pytest.mark.parametrize("bounded", [False, True])
def test_against_dense_least_squares(bounded):
    pairs = lattice(2, 2, 1.0)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(60, 4)))
    p = random_potential(4)
    if bounded:
        p = Potential(p.b, p.k, p.q * jnp.asarray([1, -1, 1, 1]), p.J)
    target = jax.vmap(force, (None, 0))(p, x) + 0.1 * rng.normal(size=(60, 4))
    found = jax.jit(project)(jnp.asarray(pairs), x, target)
    expected = dense_solution(pairs, x, target)
    np.testing.assert_allclose(
        jnp.concatenate([found.b, found.k, found.q, found.J[pairs]]),
        expected,
        atol=2e-5,
    )
    assert (found.q == 0).any() == bounded


def test_forces_of_the_family_are_found_exactly():
    pairs = all_to_all(5)
    p = random_potential(5)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(200, 5)))
    found = jax.jit(project)(jnp.asarray(pairs), x, jax.vmap(force, (None, 0))(p, x))
    np.testing.assert_allclose(found.q, p.q, atol=1e-5)
    np.testing.assert_allclose(found.J, jnp.triu(p.J, 1), atol=1e-5)
