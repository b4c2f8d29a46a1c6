"""Degenerate data: constant pixels, duplicates, fewer points than components."""

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


@pytest.mark.parametrize("space", SPACES, ids=ids)
@pytest.mark.parametrize("name", DATA)
def test_models_of_degenerate_data(name, space):
    """w and x_mean are those of the data, clipped, and the likelihood of its mean."""
    x = DATA[name]
    model = nm.init_model(KEY, space, x.astype(np.uint8))
    np.testing.assert_allclose(model.x_mean, x.mean(0), rtol=1e-6)
    p = np.clip(x.mean(0), 1e-3, 1 - 1e-3)
    if name != "constant pixels":
        # Every subset is the whole: each state with one bit generates the mean.
        one = jnp.eye(3, dtype=bool)
        logits = np.asarray(nm.forward_logits(model, one))
        np.testing.assert_allclose(logits, [np.log(p / (1 - p))] * 3, rtol=1e-4)
        found = nm.forward_log_prob(model, one, jnp.asarray(x, bool))
        expected = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(1)
        np.testing.assert_allclose(found, [[e] * 3 for e in expected], rtol=1e-3)
    np.testing.assert_allclose(
        np.exp(model.latent.log_probs(nm.backward_field(model, jnp.asarray(x, bool)))),
        1 / space.num_states,
        rtol=1e-5,
    )


@pytest.fixture(scope="module")
def train():
    return jax.jit(training.train, static_argnums=0)


@pytest.mark.parametrize("name", ["zeros", "ones", "duplicates", "constant pixels"])
def test_training_on_degenerate_data(train, name):
    """Constant data end near probability one, finite; batches of one and of many."""
    x = np.resize(DATA[name], (12, 5)).astype(bool)
    rule = Cycles(OneHot(3), TrajectoryGradient(8, score="exact"))
    state = rule.init(KEY, x)
    state, info = train(rule, state, jnp.asarray(x), jnp.array([1, 40] * 20))
    assert info.finite.all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.model))
    best = -np.log(3) if name == "constant pixels" else 0
    found = exact.log_likelihood(state.model, jnp.asarray(x))
    assert best - 2 < found <= best + 1e-5


@pytest.mark.parametrize("num_points", [1, 2, 7])
def test_more_components_than_points(num_points):
    """K > N: the ceiling is the entropy of the points, with components to spare."""
    x = reference.bit_rows(5)[3 : 3 + 4 * num_points : 4].astype(bool)
    fitted, curve = mixture.fit(
        mixture.init(KEY, 9, jnp.asarray(x)), jnp.asarray(x), 60
    )
    np.testing.assert_allclose(np.exp(fitted.log_weights).sum(), 1, rtol=1e-5)
    assert np.isfinite(fitted.logits).all()
    assert (np.diff(curve) > -1e-4).all()
    best = -np.log(num_points)
    assert best - 0.7 < mixture.log_likelihood(fitted, jnp.asarray(x)) < best + 1e-4


@pytest.mark.parametrize("name", DATA)
def test_mixture_of_one_component(name):
    """K = 1 is solved by one step: the mean of the data, up to its clipping."""
    x = DATA[name]
    fitted, _ = mixture.fit(mixture.init(KEY, 1, x), jnp.asarray(x), 2)
    np.testing.assert_allclose(
        expit(np.asarray(fitted.logits, float))[0], x.mean(0), atol=2e-6
    )
    np.testing.assert_allclose(fitted.log_weights, 0, atol=1e-6)
