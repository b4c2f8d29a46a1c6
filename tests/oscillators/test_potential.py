import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Bath, Generation, Protocol

from .systems import GENERATION, NOISING, random_network, random_potential, stack

pytestmark = pytest.mark.usefixtures("x64")


def test_protocol_is_linear_between_its_times():
    knots = [random_potential(3, seed) for seed in range(3)]
    protocol = Protocol(jnp.asarray([0.0, 0.5, 2.0]), stack(knots))
    at = jax.jit(Protocol.at)
    for time, before, after, share in (
        (-1.0, 0, 1, 0.0),
        (0.0, 0, 1, 0.0),
        (0.1, 0, 1, 0.2),
        (0.5, 0, 1, 1.0),
        (1.4, 1, 2, 0.6),
        (2.0, 1, 2, 1.0),
        (9.0, 1, 2, 1.0),
    ):
        expected = jax.tree.map(
            lambda a, b, s=share: (1 - s) * a + s * b, knots[before], knots[after]
        )
        chex.assert_trees_all_close(
            at(protocol, jnp.asarray(time)), expected, atol=1e-12
        )


def test_a_protocol_has_a_potential_for_every_time():
    protocol = Protocol(jnp.arange(3.0), stack(2 * [random_potential(2)]))
    with pytest.raises(ValueError, match=r"shape \(2, 2\): expected a potential for"):
        protocol.at(jnp.asarray(0.5))


def test_change_of_pace_keeps_the_score():
    """The score that both forces imply, at the same noising time, is the same."""
    new = Generation(NOISING, Bath(0.4, 1.1), 5.0)

    def score(generation, protocol, time, x):
        force = protocol.at(generation.protocol_time(time)).force(x)
        outward = generation.pace * NOISING.stiffness * x
        return (force - outward) / generation.score_weight

    @jax.jit
    def both(network, parameters):
        old = network.protocol(parameters)
        changed = old.at_pace(GENERATION, new)
        at = jnp.asarray(0.7), jnp.asarray([0.3, -1.2, 0.8])
        before, after = score(GENERATION, old, *at), score(new, changed, *at)
        return before, after, changed.times

    before, after, times = both(*random_network(3))
    chex.assert_trees_all_close(before, after, rtol=1e-9)
    np.testing.assert_allclose(times[::3], [0, 5], atol=1e-12)


@pytest.fixture
def batch():
    """Positions, targets and shares in three intervals, eight samples in each."""
    rng = np.random.default_rng(0)
    return (
        jnp.asarray(rng.normal(size=(3, 8, 4))),
        jnp.asarray(rng.normal(size=(3, 8, 4))),
        jnp.asarray(rng.uniform(size=(3, 8))),
    )


def test_forces_between_knots(batch):
    """The force of the potential that the protocol has at that time."""
    x, _, share = batch

    @jax.jit
    def both(network, parameters):
        knots = network.potential(parameters)
        numbered = Protocol(jnp.arange(4.0), knots)

        def one(cell, share, x):
            return numbered.at(cell + share).force(x)

        of_cell = jax.vmap(jax.vmap(one, (None, 0, 0)))
        return knots.forces_between(share, x), of_cell(jnp.arange(3), share, x)

    chex.assert_trees_all_close(*both(*random_network(4)), rtol=1e-10)


def test_knot_gradient_is_that_of_the_loss(batch):
    """To rounding, for every parameter of every knot."""
    x, target, share = batch
    weight = jnp.asarray(np.random.default_rng(1).uniform(size=(3, 8, 1)))

    def loss(knots):
        error = knots.forces_between(share, x) - target
        return jnp.sum(weight * error**2) / 2 / 8

    @jax.jit
    def both(network, parameters):
        knots = network.potential(parameters)
        error = knots.forces_between(share, x) - target
        return knots.knot_gradient(x, weight * error, share), jax.grad(loss)(knots)

    chex.assert_trees_all_close(*both(*random_network(4)), rtol=1e-10, atol=1e-13)
