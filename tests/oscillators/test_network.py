import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import GENERATION, NOISING, random_network

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
    parameters = init_parameters(network, x)
    potentials = knot_potentials(network, parameters)
    mean, variance = x.mean(0), x.var(0)
    for row, time in enumerate(network.knots):
        at = jnp.asarray(rng.normal(size=3))
        alpha, s = diffusion.decay(NOISING, time), diffusion.spread(NOISING, time)
        score = -(at - alpha * mean) / (alpha**2 * variance + s**2)
        exact = diffusion.reverse_force(GENERATION, at, score)
        potential = jax.tree.map(lambda a, row=row: a[row], potentials)
        assert (potential.q > 0).all()
        without = Potential(potential.b, potential.k, 0 * potential.q, potential.J)
        np.testing.assert_allclose(force(without, at), exact, rtol=1e-9)


def test_protocol_runs_forward_and_keeps_the_family():
    network, parameters = random_network(5)
    found = protocol(network, parameters)
    np.testing.assert_allclose(found.times[jnp.array([0, -1])], [0, 1.7], atol=1e-12)
    assert (jnp.diff(found.times) > 0).all()
    assert (found.potential.q > 0).all()
    uncoupled = ~np.broadcast_to(network.pairs, found.potential.J.shape)
    assert (np.asarray(found.potential.J)[uncoupled] == 0).all()


def test_change_of_pace_keeps_the_score():
    """The score that both forces imply, at the same noising time, is the same."""
    network, parameters = random_network(3)
    new = Generation(NOISING, Bath(0.4, 1.1), 5.0)
    old = protocol(network, parameters)
    changed = change_pace(old, GENERATION, new)
    time, x = jnp.asarray(0.7), jnp.asarray([0.3, -1.2, 0.8])
    scores = []
    for generation, found in ((GENERATION, old), (new, changed)):
        F = force(at_time(found, diffusion.protocol_time(generation, time)), x)
        outward = diffusion.pace(generation) * NOISING.stiffness * x
        scores.append((F - outward) / diffusion.score_weight(generation))
    np.testing.assert_allclose(*scores, rtol=1e-9)
    np.testing.assert_allclose(changed.times[::3], [0, 5], atol=1e-12)


def test_pull_back_is_the_transposed_derivative():
    network, parameters = random_network(4)
    potentials, transpose = jax.vjp(lambda p: knot_potentials(network, p), parameters)
    rng = np.random.default_rng(3)
    gradient = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), potentials)
    (expected,) = transpose(gradient)
    found = pull_back(network, parameters, gradient)
    for name in ("b", "k", "q", "J"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12
        )
    assert isinstance(found, Parameters)
