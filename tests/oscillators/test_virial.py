import itertools
from functools import partial

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import ForceMatching, QuarticWell, Virial

from .systems import GENERATION, random_hidden_network, random_network

pytestmark = pytest.mark.usefixtures("x64")

SYSTEMS = {
    "quartic": random_network,
    "hidden": random_hidden_network,
    "wells": lambda num: random_hidden_network(num, element=QuarticWell()),
}


@pytest.mark.parametrize("kind", SYSTEMS)
def test_mean_over_all_signs_is_the_gradient_of_the_implicit_loss(kind):
    """With the trace of the forces' derivative by autodiff, for 2^3 signs."""
    network, parameters = SYSTEMS[kind](3)
    rng = np.random.default_rng(0)
    points, share = rng.normal(size=(3, 5, 3)), rng.uniform(size=(3, 5))
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))

    def loss(knots, m, weight, share):
        outward = GENERATION.pace * GENERATION.noising.stiffness

        def forces(x):
            return knots.forces_between(share, x)

        def along(x, unit):
            step = jnp.broadcast_to(unit, x.shape)
            return jnp.sum(step * jax.jvp(forces, (x,), (step,))[1], axis=-1)

        divergence = sum(along(m.x, unit) for unit in jnp.eye(3))
        squares = jnp.sum((forces(m.x) - outward * m.x) ** 2, axis=-1) / 2
        each = weight * (squares + GENERATION.score_weight * divergence)
        return jnp.sum(each) / 5

    @jax.jit
    def both(parameters, key, points, share, every):
        knots = network.potential(parameters)
        m = Virial().measure(network, knots, key, points, share)
        weight = GENERATION.loss_weight(network.times_between(share))

        def by_rule(signs):
            signs = jnp.broadcast_to(signs, m.x.shape)
            shaken = eqx.tree_at(lambda m: m.signs, m, signs)
            return shaken.gradient(network, knots, share)

        found = jax.tree.map(lambda a: jnp.mean(a, axis=0), jax.vmap(by_rule)(every))
        return found, jax.value_and_grad(loss)(knots, m, weight, share)

    (gradient, value), (expected_value, expected) = both(
        parameters, jax.random.key(0), points, share, signs
    )
    np.testing.assert_allclose(value, expected_value * 5 / (3 * 5 * 3), rtol=1e-10)
    if kind != "quartic":
        gradient, expected = (
            (tree.visible, tree.c, tree.A) for tree in (gradient, expected)
        )
    chex.assert_trees_all_close(gradient, expected, rtol=1e-9, atol=1e-10)


def test_same_mean_as_force_matching():
    """With no record of the noise: means of 40 x 3 x 2000 points, to 5 errors."""
    network, parameters = random_hidden_network(2)
    points = np.random.default_rng(1).normal(size=(3, 2000, 2))
    share = np.full((3, 2000), 0.5)

    @jax.jit
    def gradients(parameters, points, share):
        knots = network.potential(parameters)

        def one(key, rule):
            m = rule.measure(network, knots, key, points, share)
            gradient = m.gradient(network, knots, share)[0]
            return gradient.visible, gradient.c, gradient.A

        keys = jax.random.split(jax.random.key(2), 40)
        return [
            jax.vmap(partial(one, rule=rule))(keys)
            for rule in (Virial(), ForceMatching())
        ]

    leaves = map(jax.tree.leaves, gradients(parameters, points, share))
    pairs = zip(*jax.tree.map(np.asarray, [*leaves]), strict=True)
    for found, expected in pairs:
        difference = found.mean(0) - expected.mean(0)
        error = np.sqrt((found.var(0) + expected.var(0)) / 40)
        # Parameters without springs or pairs have none.
        assert (np.abs(difference) < 5 * error + 1e-12).all()
