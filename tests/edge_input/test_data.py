"""Degenerate data: constant pixels, duplicates, fewer points than components."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from nelc_jax import (
    Cycles,
    OneHot,
    TrajectoryGradient,
    exact,
    training,
)
from nelc_jax import model as nm
from nelc_jax.baselines import mixture

from .. import reference
from .references import DATA, KEY, SPACES, ids

pytestmark = pytest.mark.usefixtures("unchecked")


@partial(jax.jit, static_argnums=0)
def described(space, x):
    """A model of data; its logits and ln p given single bits, and ln p(z|x)."""
    model = nm.init_model(KEY, space, x)
    one, points = jnp.eye(3, dtype=bool), x.astype(bool)
    backward = model.latent.log_probs(nm.backward_field(model, points))
    generated = nm.forward_log_prob(model, one, points)
    return model.x_mean, nm.forward_logits(model, one), generated, backward


@pytest.mark.parametrize("space", SPACES, ids=ids)
@pytest.mark.parametrize("name", DATA)
def test_models_of_degenerate_data(name, space):
    """w and x_mean are those of the data, clipped, and the likelihood of its mean."""
    # All but the single point in one shape, whose program they share.
    x = np.resize(DATA[name], (1 if name == "one point" else 12, 5)).astype(np.uint8)
    x_mean, logits, found, backward = described(space, x)
    np.testing.assert_allclose(x_mean, x.mean(0), rtol=1e-6)
    p = np.clip(x.mean(0), 1e-3, 1 - 1e-3)
    if name != "constant pixels":
        # Every subset is the whole: each state with one bit generates the mean.
        np.testing.assert_allclose(logits, [np.log(p / (1 - p))] * 3, rtol=1e-4)
        expected = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(1)
        np.testing.assert_allclose(found, [[e] * 3 for e in expected], rtol=1e-3)
    np.testing.assert_allclose(np.exp(backward), 1 / space.num_states, rtol=1e-5)


@pytest.fixture(scope="module")
def train():
    """From the start, with the likelihood at the end."""

    @partial(jax.jit, static_argnums=0)
    def run(rule, x, sizes):
        state, info = training.train(rule, rule.init(KEY, x), x, sizes)
        return state, info, exact.log_likelihood(state.model, x)

    return run


@pytest.mark.parametrize("name", ["zeros", "ones", "duplicates", "constant pixels"])
def test_training_on_degenerate_data(train, name):
    """Constant data end near probability one, finite; batches of one and of many."""
    x = np.resize(DATA[name], (12, 5)).astype(bool)
    rule = Cycles(OneHot(3), TrajectoryGradient(8, score="exact"))
    state, info, found = train(rule, x, np.array([1, 40] * 20))
    assert info.finite.all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.model))
    best = -np.log(3) if name == "constant pixels" else 0
    assert best - 2 < found <= best + 1e-5


@partial(jax.jit, static_argnums=(1, 2))
def fitted_mixture(x, num_components, num_steps):
    start = mixture.init(KEY, num_components, x)
    fitted, curve = mixture.fit(start, x, num_steps)
    return fitted, curve, mixture.log_likelihood(fitted, x)


@pytest.mark.parametrize("num_points", [1, 2, 7])
def test_more_components_than_points(num_points):
    """K > N: the ceiling is the entropy of the points, with components to spare."""
    x = reference.bit_rows(5)[3 : 3 + 4 * num_points : 4].astype(bool)
    fitted, curve, found = fitted_mixture(x, 9, 60)
    np.testing.assert_allclose(np.exp(fitted.log_weights).sum(), 1, rtol=1e-5)
    assert np.isfinite(fitted.logits).all()
    assert (np.diff(curve) > -1e-4).all()
    best = -np.log(num_points)
    assert best - 0.7 < found < best + 1e-4


@pytest.mark.parametrize("name", DATA)
def test_mixture_of_one_component(name):
    """K = 1 is solved by one step: the mean of the data, up to its clipping."""
    x = np.resize(DATA[name], (1 if name == "one point" else 12, 5)).astype(float)
    fitted, _, _ = fitted_mixture(x, 1, 2)
    np.testing.assert_allclose(
        expit(np.asarray(fitted.logits, float))[0], x.mean(0), atol=2e-6
    )
    np.testing.assert_allclose(fitted.log_weights, 0, atol=1e-6)
