"""The smallest sizes: one pixel, unit, step or point, and none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from nelc_jax import (
    Binary,
    Cycles,
    OneHot,
    Pcd,
    TrajectoryGradient,
    ensemble,
    exact,
    likelihood,
    training,
)
from nelc_jax import model as nm
from nelc_jax._minibatch import sum_chunks
from nelc_jax._random import pack, unpack
from nelc_jax.baselines import rbm
from nelc_jax.diagnostics import (
    autocorrelation,
)

from .. import reference
from .references import DATA, KEY, at_once, draw, enumerated, ids, two_step_gradient

pytestmark = pytest.mark.usefixtures("unchecked")

ONE = {
    "one pixel": (1, 3),
    "one unit": (5, 1),
    "one of each": (1, 1),
}


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("sizes", ONE)
def test_single_pixels_and_units(x64, kind, sizes):
    """D = 1, L = 1, S = 1: every matrix of the chain, likelihood and gradient."""
    D, L = ONE[sizes]
    system = reference.random_system(kind, D, L)
    model = reference.to_model(system)
    x = reference.bit_rows(D)[[-1, 0, -1]]
    expected = (
        reference.forward_matrix(system),
        reference.backward_matrix(system),
        reference.latent_kernel(system),
        reference.latent_law(system),
        reference.visible_law(system),
    )
    for found, right in zip(enumerated(model), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9)
    found = jax.jit(exact.log_likelihood)(model, jnp.asarray(x))
    np.testing.assert_allclose(found, reference.log_likelihood(system, x))
    found = jax.jit(exact.two_step_gradient)(model, jnp.asarray(x, bool))
    expected = reference.two_step_gradient(system, x, "paper")
    for one, other in zip(reference.leaves(found), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("sizes", ONE)
def test_single_steps(x64, kind, sizes):
    """T = 1: the chain's two forms, and its gradient, for D = 1 and L = 1 too."""
    D, L = ONE[sizes]
    system = reference.random_system(kind, D, L)
    model = reference.to_model(system)
    x = jnp.asarray(reference.bit_rows(D)[-1], bool)
    end, trajectory = draw(model, KEY, x, 1)
    assert trajectory.x.shape == (1, D)
    h = [reference.field(system, np.asarray(row, float)) for row in trajectory.x]
    np.testing.assert_allclose(trajectory.h, h)
    other, again = at_once(model, KEY, x, 1)
    np.testing.assert_array_equal(other, end)
    np.testing.assert_array_equal(again.z, trajectory.z)
    data = reference.bit_rows(D)[:1]
    found = two_step_gradient(model, trajectory, jnp.asarray(data))
    expected = reference.trajectory_gradient(
        system, trajectory.x, trajectory.z, data, "paper"
    )
    for one, right in zip(reference.leaves(found.gradient), expected, strict=True):
        np.testing.assert_allclose(one, right, rtol=1e-8, atol=1e-12)


def test_an_empty_ensemble():
    rule = Cycles(OneHot(3), TrajectoryGradient(2))
    states = ensemble.init(rule, KEY, jnp.arange(0), jnp.ones((4, 5)))
    assert states.model.parameters.w.shape == (0, 5, 3)
    states, info = ensemble.train(rule, states, jnp.ones((4, 5)), jnp.array([2]))
    assert info.log_likelihood.shape == (0, 1)


def test_no_steps_and_no_points():
    rule = Cycles(OneHot(3), TrajectoryGradient(2))
    state = rule.init(KEY, DATA["ones"])
    after, info = training.train(
        rule, state, jnp.asarray(DATA["ones"]), jnp.zeros(0, int)
    )
    assert info.log_likelihood.shape == (0,)
    np.testing.assert_array_equal(after.x, state.x)
    model = reference.to_model(reference.random_system("sigmoid"))
    none = jnp.zeros((0, 5))
    p_bar = jnp.ones(3) / 3
    assert likelihood.occupancy_log_prob(model, p_bar, none).shape == (0,)
    assert nm.backward_log_probs(model, none).shape == (0, 3)


def test_batches_of_one_point_and_of_more_than_there_are():
    x = jnp.asarray(DATA["one point"], jnp.float32)
    for size in (1, 3, 16, 40):
        mean = sum_chunks(
            lambda points, weights: weights @ points, jnp.zeros(5), KEY, x, size
        )
        np.testing.assert_allclose(mean, x[0], rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_constant_series(n):
    """It has no variance to divide by."""
    assert np.isnan(autocorrelation(jnp.full(n, 3.5))).all()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8])
def test_pixels_that_fill_no_byte(count):
    x = jnp.asarray(np.arange(2 * count).reshape(2, count) % 3 == 0)
    np.testing.assert_array_equal(unpack(pack(x), count), x)


@pytest.mark.parametrize("space", [OneHot(1, "softmax"), Binary(1)], ids=ids)
def test_rbm_of_one_unit_and_one_pixel(space):
    x = np.array([[0], [1], [1]])
    state = Pcd(space).init(KEY, x)
    p = state.model.parameters
    w, a, b = (float(v.ravel()[0]) for v in (p.w, p.a, p.a_bar))
    mean = x.mean()
    z = [1.0] if space.num_states == 1 else [0.0, 1.0]
    energy = [[(v - mean) * w * u + a * v + b * u for u in z] for v in (0, 1)]
    expected = logsumexp(energy, axis=1) - logsumexp(energy)
    found = rbm.log_prob(state.model, jnp.asarray(x[:2], bool))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
