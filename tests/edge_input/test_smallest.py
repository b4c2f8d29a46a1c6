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

    @jax.jit
    def all_of(model, x):
        gradient = exact.two_step_gradient(model, x.astype(bool))
        return enumerated(model), exact.log_likelihood(model, x), gradient

    laws, log_likelihood, found = all_of(model, x)
    for law, right in zip(laws, expected, strict=True):
        np.testing.assert_allclose(law, right, rtol=1e-9)
    np.testing.assert_allclose(log_likelihood, reference.log_likelihood(system, x))
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
    data = reference.bit_rows(D)[:1]

    @jax.jit
    def all_of(model, x, data):
        end, trajectory = draw(model, KEY, x, 1)
        found = two_step_gradient(model, trajectory, data)
        return end, trajectory, at_once(model, KEY, x, 1), found.gradient

    end, trajectory, (other, again), found = all_of(model, x, data)
    assert trajectory.x.shape == (1, D)
    h = [reference.field(system, np.asarray(row, float)) for row in trajectory.x]
    np.testing.assert_allclose(trajectory.h, h)
    np.testing.assert_array_equal(other, end)
    np.testing.assert_array_equal(again.z, trajectory.z)
    expected = reference.trajectory_gradient(
        system, trajectory.x, trajectory.z, data, "paper"
    )
    for one, right in zip(reference.leaves(found), expected, strict=True):
        np.testing.assert_allclose(one, right, rtol=1e-8, atol=1e-12)


def test_an_empty_ensemble():
    rule = Cycles(OneHot(3), TrajectoryGradient(2))
    x = np.ones((4, 5), np.float32)
    states = jax.jit(ensemble.init, static_argnums=0)(rule, KEY, np.arange(0), x)
    assert states.model.parameters.w.shape == (0, 5, 3)
    train = jax.jit(ensemble.train, static_argnums=0)
    states, info = train(rule, states, x, np.array([2]))
    assert info.log_likelihood.shape == (0, 1)


def test_no_steps_and_no_points():
    rule = Cycles(OneHot(3), TrajectoryGradient(2))

    @jax.jit
    def run(x):
        state = rule.init(KEY, x)
        return state, training.train(rule, state, x, jnp.zeros(0, int))

    state, (after, info) = run(DATA["ones"])
    assert info.log_likelihood.shape == (0,)
    np.testing.assert_array_equal(after.x, state.x)
    model = reference.to_model(reference.random_system("sigmoid"))
    none, p_bar = np.zeros((0, 5)), np.ones(3) / 3
    found = jax.jit(likelihood.occupancy_log_prob)(model, p_bar, none)
    assert found.shape == (0,)
    assert jax.jit(nm.backward_log_probs)(model, none).shape == (0, 3)


def test_batches_of_one_point_and_of_more_than_there_are():
    x = DATA["one point"].astype(np.float32)

    @jax.jit
    def means(x):
        return [
            sum_chunks(
                lambda points, weights: weights @ points, jnp.zeros(5), KEY, x, size
            )
            for size in (1, 3, 16, 40)
        ]

    for mean in means(x):
        np.testing.assert_allclose(mean, x[0], rtol=1e-6)


def test_constant_series():
    """It has no variance to divide by."""
    series = [np.full(n, 3.5, np.float32) for n in (1, 2, 9)]
    for found in jax.jit(lambda given: [*map(autocorrelation, given)])(series):
        assert np.isnan(found).all()


def test_pixels_that_fill_no_byte():
    counts = (1, 3, 4, 5, 8)
    rows = [np.arange(2 * n).reshape(2, n) % 3 == 0 for n in counts]
    found = jax.jit(lambda rows: [unpack(pack(x), x.shape[-1]) for x in rows])(rows)
    for one, other in zip(found, rows, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("space", [OneHot(1, "softmax"), Binary(1)], ids=ids)
def test_rbm_of_one_unit_and_one_pixel(space):
    x = np.array([[0], [1], [1]])

    @jax.jit
    def start(x, points):
        state = Pcd(space).init(KEY, x)
        return state, rbm.log_prob(state.model, points)

    state, found = start(x, x[:2].astype(bool))
    p = state.model.parameters
    w, a, b = (float(v.ravel()[0]) for v in (p.w, p.a, p.a_bar))
    mean = x.mean()
    z = [1.0] if space.num_states == 1 else [0.0, 1.0]
    energy = [[(v - mean) * w * u + a * v + b * u for u in z] for v in (0, 1)]
    expected = logsumexp(energy, axis=1) - logsumexp(energy)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
