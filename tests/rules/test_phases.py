"""The two phases of an RBM's gradient, and the coordinates in which it ascends."""

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.baselines import rbm
from nelc_jax.model import backward_field
from nelc_jax.rules._phases import (
    coordinates,
    data_moments,
    from_coordinates,
    phase_gradient,
)

from .. import reference
from ..baselines.rbms import random_rbm

pytestmark = pytest.mark.usefixtures("x64")

POINTS = np.array([[1, 1, 0, 0, 1], [1, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1, 1, 0, 0, 1]])

moments = jax.jit(data_moments)
occupancy = jax.jit(rbm.occupancy)


@pytest.fixture(params=("softmax", "binary"))
def machine(request):
    return random_rbm(request.param)[1]


@jax.jit
def gradient(machine):
    """With the negative phase summed over all latent states."""
    positive = data_moments(machine, jnp.asarray(POINTS), jnp.full(4, 0.25))
    states = machine.latent.states()
    negative = rbm.latent_moments(machine, states, rbm.occupancy(machine))
    return phase_gradient(machine, positive, negative)


def test_gradient_is_the_derivative(machine):
    def log_likelihood(parameters):
        return rbm.log_likelihood(
            rbm.Rbm(parameters, machine.x_mean, machine.latent), jnp.asarray(POINTS)
        )

    expected = jax.jit(jax.grad(log_likelihood))(machine.parameters)
    found = gradient(machine)
    if machine.latent.absorbs_visible_bias:
        # Eq. 20: a is redundant, and stays where it is.
        expected = eqx.tree_at(lambda p: p.a, expected, jnp.zeros_like(expected.a))
    chex.assert_trees_all_close(found, expected, rtol=0, atol=1e-14)
    # Control: the slope is far from zero, so that its agreement says something.
    assert min(np.abs(leaf).max() for leaf in (found.w, found.a_bar)) > 0.01


def test_moments_are_additive(machine):
    """Weighted points: those of weight zero add nothing, halves add up."""
    rest = jnp.asarray(np.asarray(POINTS)[2:])
    equal, first, second = (
        moments(machine, x, jnp.asarray(weights))
        for x, weights in (
            (POINTS, 4 * [0.25]),
            (POINTS, [0.5, 0.5, 0, 0]),
            (rest, [0.5, 0.5]),
        )
    )
    halves = jax.tree.map(lambda f, s: (f + s) / 2, first, second)
    chex.assert_trees_all_close(halves, equal, rtol=1e-12, atol=1e-14)


def test_coordinates(machine):
    """There and back; the slope along them is r_b (m_b - mu_b), free of p_bar."""
    if machine.latent.absorbs_visible_bias:
        zeros = jnp.asarray(np.zeros(5))
        machine = eqx.tree_at(lambda m: m.parameters.a, machine, zeros)
    position = coordinates(machine)
    back = from_coordinates(machine, position)
    chex.assert_trees_all_close(
        back.parameters, machine.parameters, rtol=1e-13, atol=1e-13
    )
    if not machine.latent.absorbs_visible_bias:
        return
    np.testing.assert_allclose(
        position.a_bar,
        jnp.log(occupancy(machine)) + rbm.log_partition(machine),
        rtol=1e-12,
    )
    points = np.array([[1, 1, 0, 0, 1], [1, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1] * 5])

    @jax.jit
    def slope(position, points):
        def value(position):
            return rbm.log_likelihood(from_coordinates(machine, position), points)

        r = machine.latent.mean(backward_field(rbm.to_model(machine), points))
        return jax.grad(value)(position), r

    slope, r = jax.tree.map(np.asarray, slope(position, jnp.asarray(points, bool)))
    mu = reference.sigmoid(np.asarray(machine.parameters.w))
    expected = np.einsum("mb,mdb->db", r, points[:, :, None] - mu) / 4
    np.testing.assert_allclose(slope.w, expected, atol=1e-14)
    np.testing.assert_allclose(
        slope.a_bar, r.mean(axis=0) - occupancy(machine), atol=1e-14
    )
