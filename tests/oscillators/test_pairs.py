import itertools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Pairs, PairsNetwork

from .systems import GENERATION, random_network

pytestmark = pytest.mark.usefixtures("x64")


def random_pairs(num, leading=(), seed=0):
    """Entries that are not above the diagonal must not matter."""
    rng = np.random.default_rng(seed)
    on_site = [jnp.asarray(rng.normal(size=(*leading, num))) for _ in range(4)]
    matrices = [jnp.asarray(rng.normal(size=(*leading, num, num))) for _ in range(3)]
    return Pairs(*on_site, *matrices)


def test_energy_and_force():
    """Against a sum over sites and pairs, and its derivative."""
    p = random_pairs(4)
    b, k, q, r, J, S, Q = map(np.asarray, jax.tree.leaves(p))
    x = np.random.default_rng(1).normal(size=4)
    expected = np.sum(b * x + k * x**2 / 2 + q * x**4 / 4 + r * x**6 / 6)
    for i, j in itertools.combinations(range(4), 2):
        apart = x[i] - x[j]
        expected += J[i, j] * apart**2 + S[i, j] * x[i] ** 2 * x[j]
        expected += Q[i, j] * apart**4 / 4
    at = jnp.asarray(x)
    value, slope = jax.jit(jax.value_and_grad(Pairs.energy, 1))(p, at)
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    chex.assert_trees_all_close(jax.jit(Pairs.force)(p, at), -slope, rtol=1e-10)


def test_knot_gradient_is_that_of_the_loss():
    """To rounding, for every parameter of every knot."""
    rng = np.random.default_rng(2)
    x, target = jnp.asarray(rng.normal(size=(2, 3, 8, 4)))
    share = jnp.asarray(rng.uniform(size=(3, 8)))

    def loss(knots):
        error = knots.forces_between(share, x) - target
        return jnp.sum(error**2) / 2 / 8

    @jax.jit
    def both(knots):
        error = knots.forces_between(share, x) - target
        return knots.knot_gradient(x, error, share), jax.grad(loss)(knots)

    chex.assert_trees_all_close(*both(random_pairs(4, (4,))), rtol=1e-9, atol=1e-11)


def test_locality():
    """Nothing at a third node enters the three couplings of a pair."""
    rng = np.random.default_rng(5)
    x, error = jnp.asarray(rng.normal(size=(2, 16, 5)))
    gradient = partial(jax.jit(Pairs.local_gradient), random_pairs(5))
    before = gradient(x, error)
    i, j, others = 1, 3, jnp.array([0, 2, 4])
    x, error = jnp.stack([x, error]).at[..., others].mul(100)
    after = gradient(x, error)
    control = gradient(x, error.at[:, j].add(1))
    for name in ("J", "S", "Q"):
        first, second, moved = (
            getattr(tree, name)[i, j] for tree in (before, after, control)
        )
        assert first == second
        assert second != moved


def test_potential_keeps_the_family():
    """Only r is positive; powers of l = sqrt(kT / kappa) and neighbours: the units."""
    quartic, _ = random_network(5)
    network = PairsNetwork(GENERATION, quartic.knots, quartic.pairs)
    parameters = random_pairs(5, (4,))
    found = jax.jit(PairsNetwork.potential)(network, parameters)
    assert (found.r > 0).all()
    assert (found.q < 0).any()
    uncoupled = ~np.broadcast_to(network.pairs, found.J.shape)
    for matrix in (found.J, found.S, found.Q):
        assert (np.asarray(matrix)[uncoupled] == 0).all()
        assert (np.asarray(matrix)[~uncoupled] != 0).all()
    K, length = np.asarray(network.stiffness_unit)[:, None], np.sqrt(0.6 / 1.3)
    on_site = (
        K * length * parameters.b,
        K * parameters.k,
        K / length**2 * parameters.q,
        K / length**4 * np.log1p(np.exp(parameters.r)),
    )
    chex.assert_trees_all_close(
        (found.b, found.k, found.q, found.r), on_site, rtol=1e-9
    )
    pairs = np.asarray(network.pairs)
    share = 1 / np.sqrt(2 * pairs.sum() / 5)
    for name, power in (("J", 0), ("S", 1), ("Q", 2)):
        expected = share * K[..., None] / length**power * getattr(parameters, name)
        np.testing.assert_allclose(
            getattr(found, name), np.where(pairs, expected, 0), rtol=1e-9
        )


def test_start_is_independent_normal():
    """The quartic network's, and nothing else but a small r."""
    quartic, _ = random_network(5)
    network = PairsNetwork(GENERATION, quartic.knots, quartic.pairs)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(50, 5)))
    start = jax.jit(lambda key: network.init(key, x))(jax.random.key(0))
    expected = jax.jit(lambda key: quartic.init(key, x))(jax.random.key(0))
    chex.assert_trees_all_close((start.b, start.k), (expected.b, expected.k))
    for zero in (start.q, start.J, start.S, start.Q):
        assert (np.asarray(zero) == 0).all()
    assert (start.r == -6).all()
