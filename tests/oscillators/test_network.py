import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import diffusion
from nelc_jax.oscillators.bath import Bath
from nelc_jax.oscillators.diffusion import Generation
from nelc_jax.oscillators.network import (
    Network,
    Parameters,
    change_pace,
    geometric_knots,
    init_parameters,
    knot_potentials,
    protocol,
    pull_back,
)
from nelc_jax.oscillators.potential import Potential, all_to_all, at_time, force

from .systems import GENERATION, NOISING, random_network

pytestmark = pytest.mark.usefixtures("x64")


def test_knots():
    knots = geometric_knots(NOISING, 7)
    np.testing.assert_allclose(knots[::6], [NOISING.latest, NOISING.earliest])
    np.testing.assert_allclose(knots[1:] / knots[:-1], knots[1] / knots[0])


def test_init_is_exact_for_independent_normal_data():
    """The force of the start is the one that undoes the noising of such data."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(50, 3)) * [0.2, 1.0, 0.0] + [1.0, 0.0, -1.0])
    network = Network(
        GENERATION, jnp.asarray(all_to_all(3)), geometric_knots(NOISING, 4)
    )
    mean, variance = x.mean(0), x.var(0)

    @jax.jit
    def both(positions):
        def exact(time, at):
            alpha, s = diffusion.decay(NOISING, time), diffusion.spread(NOISING, time)
            score = -(at - alpha * mean) / (alpha**2 * variance + s**2)
            return diffusion.reverse_force(GENERATION, at, score)

        found = knot_potentials(network, init_parameters(network, x))
        without = Potential(found.b, found.k, 0 * found.q, found.J)
        forces = jax.vmap(force)(without, positions)
        return found.q, forces, jax.vmap(exact)(network.knots, positions)

    q, found, expected = both(jnp.asarray(rng.normal(size=(4, 3))))
    assert (q > 0).all()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_protocol_runs_forward_and_keeps_the_family():
    network, parameters = random_network(5)
    found = jax.jit(protocol)(network, parameters)
    times = np.asarray(found.times)
    np.testing.assert_allclose(times[[0, -1]], [0, 1.7], atol=1e-12)
    assert (np.diff(times) > 0).all()
    assert (np.asarray(found.potential.q) > 0).all()
    uncoupled = ~np.broadcast_to(network.pairs, found.potential.J.shape)
    assert (np.asarray(found.potential.J)[uncoupled] == 0).all()


def test_change_of_pace_keeps_the_score():
    """The score that both forces imply, at the same noising time, is the same."""
    new = Generation(NOISING, Bath(0.4, 1.1), 5.0)

    def score(generation, protocol, time, x):
        F = force(at_time(protocol, diffusion.protocol_time(generation, time)), x)
        outward = diffusion.pace(generation) * NOISING.stiffness * x
        return (F - outward) / diffusion.score_weight(generation)

    @jax.jit
    def both(network, parameters):
        old = protocol(network, parameters)
        changed = change_pace(old, GENERATION, new)
        at = jnp.asarray(0.7), jnp.asarray([0.3, -1.2, 0.8])
        before, after = score(GENERATION, old, *at), score(new, changed, *at)
        return before, after, changed.times

    before, after, times = both(*random_network(3))
    np.testing.assert_allclose(before, after, rtol=1e-9)
    np.testing.assert_allclose(times[::3], [0, 5], atol=1e-12)


def test_pull_back_is_the_transposed_derivative():
    network, parameters = random_network(4)
    rng = np.random.default_rng(3)
    # One number for each of the potentials' parameters, which have the same shapes.
    gradient = Potential(
        *(jnp.asarray(rng.normal(size=a.shape)) for a in jax.tree.leaves(parameters))
    )

    @jax.jit
    def both(parameters, gradient):
        _, transpose = jax.vjp(lambda p: knot_potentials(network, p), parameters)
        return pull_back(network, parameters, gradient), *transpose(gradient)

    found, expected = both(parameters, gradient)
    for name in ("b", "k", "q", "J"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12
        )
    assert isinstance(found, Parameters)
