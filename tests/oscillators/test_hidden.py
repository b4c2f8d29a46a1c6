import itertools

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import (
    Bath,
    Generation,
    Hidden,
    HiddenNetwork,
    Protocol,
    Quartic,
    QuarticWell,
    TwoState,
)

from .systems import (
    GENERATION,
    NOISING,
    random_hidden,
    random_hidden_network,
)

pytestmark = pytest.mark.usefixtures("x64")

ELEMENTS = [TwoState(), QuarticWell()]


def states(p):
    """All joint states of two-state hidden elements, and c . h and A^T h of each."""
    every = np.array(list(itertools.product([-1.0, 1.0], repeat=p.c.shape[-1])))
    return every, every @ np.asarray(p.c), every @ np.asarray(p.A)


def joint_energies(p, x):
    """V(x, h) of every joint state."""
    _, own, pulls = states(p)
    return float(p.visible.energy(jnp.asarray(x))) - own - pulls @ x


def test_energy_and_force_are_those_of_all_hidden_states():
    """Free energy and mean force by enumeration of 2^H states."""
    p = random_hidden(4)
    x = np.random.default_rng(1).normal(size=4)
    kT = float(p.temperature)
    weights = np.exp(-joint_energies(p, x) / kT)
    energy, force = jax.jit(lambda p, x: (p.energy(x), p.force(x)))(p, jnp.asarray(x))
    np.testing.assert_allclose(energy, -kT * np.log(weights.sum()), rtol=1e-10)
    _, _, pulls = states(p)
    expected = p.visible.force(jnp.asarray(x)) + weights @ pulls / weights.sum()
    np.testing.assert_allclose(force, expected, rtol=1e-10)


@pytest.mark.parametrize("element", ELEMENTS)
def test_force_is_the_slope_of_the_energy(element):
    p = random_hidden(4, element=element)
    x = jnp.asarray(np.random.default_rng(2).normal(size=4))
    force, slope = jax.jit(lambda p, x: (p.force(x), jax.grad(p.energy)(x)))(p, x)
    chex.assert_trees_all_close(force, -slope, rtol=1e-11)


@pytest.fixture
def batch():
    """Positions, targets and shares in three intervals, eight samples in each."""
    rng = np.random.default_rng(0)
    return (
        jnp.asarray(rng.normal(size=(3, 8, 4))),
        jnp.asarray(rng.normal(size=(3, 8, 4))),
        jnp.asarray(rng.uniform(size=(3, 8))),
    )


def between(knots, share, x, function):
    """A function of the potential that the protocol has at each sample's time."""
    protocol = Protocol(jnp.arange(4.0), knots)

    def one(cell, share, x):
        return function(protocol.at(cell + share), x)

    return jax.vmap(jax.vmap(one, (None, 0, 0)))(jnp.arange(3), share, x)


def cooling(knots):
    """kT_h differs between the knots: no constant may stand for it."""
    kT = jnp.asarray([0.5, 0.9, 0.6, 1.1])
    return eqx.tree_at(lambda knots: knots.temperature, knots, kT)


@pytest.mark.parametrize("element", ELEMENTS)
def test_between_knots_the_springs_are_interpolated(batch, element):
    """Not the forces, which are another thing here."""
    x, _, share = batch
    network, parameters = random_hidden_network(4, element=element)

    @jax.jit
    def both(network, parameters):
        knots = cooling(network.potential(parameters))
        expected = between(knots, share, x, lambda p, x: p.force(x))
        at_knots = jax.vmap(lambda p: jax.vmap(jax.vmap(p.force))(x))(knots)
        cells = jnp.arange(3)
        before, after = at_knots[cells, cells], at_knots[cells + 1, cells]
        mean = before + share[..., None] * (after - before)
        return knots.forces_between(share, x), expected, mean

    found, expected, mean = both(network, parameters)
    chex.assert_trees_all_close(found, expected, rtol=1e-9, atol=1e-12)
    # The control.
    assert np.abs(mean - expected).max() > 1e-2


def learned(tree):
    """kT_h is not learned."""
    return tree.visible, tree.c, tree.A


@pytest.mark.parametrize("element", ELEMENTS)
def test_knot_gradient_is_that_of_the_loss(batch, element):
    """To rounding, for every parameter of every knot."""
    x, target, share = batch
    weight = jnp.asarray(np.random.default_rng(1).uniform(size=(3, 8, 1)))

    def loss(knots):
        error = knots.forces_between(share, x) - target
        return jnp.sum(weight * error**2) / 2 / 8

    @jax.jit
    def both(network, parameters):
        knots = cooling(network.potential(parameters))
        error = knots.forces_between(share, x) - target
        return knots.knot_gradient(x, weight * error, share), jax.grad(loss)(knots)

    found, expected = both(*random_hidden_network(4, element=element))
    chex.assert_trees_all_close(
        learned(found), learned(expected), rtol=1e-9, atol=1e-12
    )
    assert (np.asarray(found.temperature) == 0).all()


def test_readings_are_slopes_of_the_energy(batch):
    """What each element reads in the mean, against autodiff of V."""
    x, _, share = batch

    def total(knots):
        return jnp.sum(between(knots, share, x, lambda p, x: p.energy(x))) / 8

    @jax.jit
    def both(network, parameters):
        knots = cooling(network.potential(parameters))
        return knots.knot_readings(x, share), jax.grad(total)(knots)

    found, expected = both(*random_hidden_network(4))
    chex.assert_trees_all_close(
        learned(found), learned(expected), rtol=1e-9, atol=1e-12
    )


def test_locality():
    """A spring learns from its two ends; no third oscillator enters but by the force
    that it exerts on the hidden end."""
    rng = np.random.default_rng(5)
    x, error = jnp.asarray(rng.normal(size=(2, 3, 16, 5)))
    share = jnp.asarray(rng.uniform(size=(3, 16)))
    network, parameters = random_hidden_network(5, hidden=2)
    knots = jax.jit(HiddenNetwork.potential)(network, parameters)
    i, a, others = 1, 0, jnp.array([0, 2, 3, 4])
    # Hidden oscillator a has a spring to i alone, so that no other moves it.
    alone = knots.A.at[:, a, others].set(0)
    knots = eqx.tree_at(lambda knots: knots.A, knots, alone)

    @jax.jit
    def gradients(x, error):
        return (
            knots.knot_gradient(x, error, share),
            knots.knot_contrast(x, error, share, 0.1),
        )

    before = gradients(x, error)
    x, error = jnp.stack([x, error]).at[..., others].mul(100)
    after = gradients(x, error)
    before, after = jax.tree.map(np.asarray, (before, after))
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(first.A[:, a, i], second.A[:, a, i])
        np.testing.assert_array_equal(first.c[:, a], second.c[:, a])
        assert (first.A[:, 1, i] != second.A[:, 1, i]).all()
    # The control: what happens at the visible end does matter.
    moved = jax.tree.map(np.asarray, gradients(x, error.at[..., i].add(1)))
    assert (moved[0].A[:, a, i] != after[0].A[:, a, i]).all()


def test_change_of_pace_keeps_the_score():
    """With c, A and kT_h in proportion to c kT + kT'; without kT_h it does not."""
    new = Generation(NOISING, Bath(0.4, 1.1), 5.0)

    def score(generation, protocol, time, x):
        force = protocol.at(generation.protocol_time(time)).force(x)
        outward = generation.pace * NOISING.stiffness * x
        return (force - outward) / generation.score_weight

    @jax.jit
    def three(network, parameters):
        old = network.protocol(parameters)
        changed = old.at_pace(GENERATION, new)
        as_hot = eqx.tree_at(
            lambda protocol: protocol.potential.temperature,
            changed,
            old.potential.temperature,
        )
        at = jnp.asarray(0.7), jnp.asarray([0.3, -1.2, 0.8])
        return (
            score(GENERATION, old, *at),
            score(new, changed, *at),
            score(new, as_hot, *at),
        )

    before, after, wrong = three(*random_hidden_network(3))
    chex.assert_trees_all_close(before, after, rtol=1e-9)
    assert np.abs(before - wrong).max() > 1e-3


def test_potential_has_units_and_springs():
    """A = kT' / s A~ where springs are, c = kT' c~, kT_h = kT'."""
    network, parameters = random_hidden_network(5)
    found = jax.jit(HiddenNetwork.potential)(network, parameters)
    s = np.sqrt((1 - np.exp(-2 * 0.7 * 1.3 * np.asarray(network.knots))) * 0.6 / 1.3)
    springs = np.asarray(network.springs)
    assert 0 < springs.sum() < springs.size
    expected = np.where(springs, 0.4 * parameters.A / s[:, None, None], 0)
    np.testing.assert_allclose(found.A, expected, rtol=1e-9)
    np.testing.assert_allclose(found.c, 0.4 * np.asarray(parameters.c), rtol=1e-12)
    np.testing.assert_allclose(found.temperature, 0.4, rtol=1e-12)


def test_start_is_balanced_at_the_mean():
    """No hidden oscillator leans, where all x are at the mean of the noised data."""
    x = jnp.asarray(np.random.default_rng(0).normal([3, 0, 0, 1, -1], size=(50, 5)))
    network, _ = random_hidden_network(5)

    @jax.jit
    def fields(key):
        knots = network.potential(network.init(key, x))
        alpha = NOISING.decay(network.knots)[:, None]
        return jax.vmap(Hidden.field)(knots, alpha * jnp.mean(x, axis=0)[None]), knots.A

    found, A = fields(jax.random.key(0))
    np.testing.assert_allclose(found, 0, atol=1e-12)
    assert np.abs(A).min(axis=0)[np.asarray(network.springs)].min() > 0
    assert (fields(jax.random.key(1))[1] != A).any()


def test_without_couplings():
    """The same as with couplings of strength 0, and nothing to learn for them."""
    network, parameters = random_hidden_network(4)
    x, error = jnp.asarray(np.random.default_rng(3).normal(size=(2, 3, 8, 4)))
    share = jnp.full((3, 8), 0.3)
    bare = HiddenNetwork(network.generation, network.knots, network.springs)

    def of(network, visible):
        own = eqx.tree_at(lambda p: p.visible, parameters, visible)
        knots = network.potential(own)
        gradient = knots.knot_gradient(x, error, share)
        readings = knots.knot_readings(x, share)
        one = jax.tree.map(lambda array: array[0], knots)
        found = one.energy(x[0, 0]), knots.forces_between(share, x), gradient, readings
        return jax.tree.map(lambda array: array, found)

    v = parameters.visible
    zero = jax.jit(of)(network, Quartic(v.b, v.k, v.q, jnp.zeros_like(v.J)))
    none = jax.jit(of)(bare, Quartic(v.b, v.k, v.q))
    assert none[2].visible.J is None
    strip = lambda tree: eqx.tree_at(lambda t: t.visible.J, tree, None)  # noqa: E731
    without = (*zero[:2], strip(zero[2]), strip(zero[3]))
    chex.assert_trees_all_close(without, none, rtol=1e-11, atol=1e-13)
