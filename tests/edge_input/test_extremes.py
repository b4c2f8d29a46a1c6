"""Extreme weights and fields: finite, and right."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from nelc_jax import (
    Binary,
    Model,
    OneHot,
    Parameters,
    likelihood,
)
from nelc_jax import model as nm
from nelc_jax._bernoulli import bernoulli_log_prob, responsibilities
from nelc_jax._random import thresholds
from nelc_jax.baselines import BernoulliMixture, Rbm, mixture, rbm

from .. import reference
from .references import (
    KEY,
    NORMALISED,
    SPACES,
    draw,
    enumerated,
    float32,
    ids,
    in_numpy,
    log_bernoulli,
    log_law,
    two_step_gradient,
)

pytestmark = pytest.mark.usefixtures("unchecked")

EXTREMES = {
    "up": [1e4, 1e4, 1e4],
    "down": [-1e4, -1e4, -1e4],
    "apart": [1e4, -1e4, 0.0],
    "equal": [0.0, 0.0, 0.0],
    "near": [1e4, 1e4 - 1, -1e4],
}


@partial(jax.jit, static_argnums=0)
def law(space, h):
    """ln p, the mean, and of every state the score beside the slope of its ln p."""
    states = space.states()
    score = jax.vmap(lambda z: space.score(h, z, "exact"))(states)
    slope = jax.vmap(lambda z: jax.grad(space.log_prob)(h, z))(states)
    return space.log_probs(h), space.mean(h), score, slope


@pytest.mark.parametrize("h", EXTREMES)
@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_extreme_fields(space, h):
    h = np.array(EXTREMES[h], np.float32)
    expected = log_law(space, h)
    found, mean, score, slope = map(np.asarray, law(space, h))
    # Of numbers up to 1e4, whose rounding is 1e-3 where probabilities are nothing.
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-6)
    np.testing.assert_allclose(np.exp(found).sum(), 1, rtol=NORMALISED)
    states = np.asarray(space.states(), float)
    np.testing.assert_allclose(mean, np.exp(expected) @ states, atol=1e-6)
    assert np.isfinite(score).all()
    np.testing.assert_allclose(score, slope, atol=1e-6)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    h=st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3),
    kind=st.integers(0, 2),
)
def test_any_field_gives_a_law(h, kind):
    space = SPACES[kind]
    log_p = np.asarray(law(space, np.array(h, np.float32))[0])
    assert (log_p <= 0).all()
    np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=2e-6)
    np.testing.assert_allclose(np.exp(log_p), np.exp(log_law(space, h)), atol=2e-6)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 999), power=st.integers(-2, 4))
def test_any_logits_give_a_law_of_all_visible_states(seed, power):
    logits = float32(3, 5, scale=10.0**power, seed=seed)
    logits = np.asarray(logits).clip(-1e4, 1e4)
    x = reference.bit_rows(5)
    log_p = np.asarray(jax.jit(bernoulli_log_prob)(logits, x.astype(np.float32)))
    assert np.isfinite(log_p).all()
    np.testing.assert_allclose(np.exp(log_p.astype(float)).sum(0), 1, rtol=3e-6)
    np.testing.assert_allclose(log_p, log_bernoulli(logits, x), rtol=2e-6, atol=1e-6)


def extreme_model(space, size=1e4, seed=0, num_visible=5):
    L = space.num_units
    parts = [(num_visible, L), (num_visible,), (L, num_visible), (L,)]
    arrays = [size * np.sign(float32(*s, seed=seed + k)) for k, s in enumerate(parts)]
    x_mean = np.full(num_visible, 0.5)
    arrays = [jnp.asarray(a, jnp.float32) for a in (*arrays, x_mean)]
    return Model(Parameters(*arrays[:4]), arrays[4], space)


@pytest.mark.parametrize("size", [1e4, 300.0, 1.0, 0.0])
@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_extreme_weights_by_enumeration(space, size):
    model = extreme_model(space, size)
    A, A_bar, M = in_numpy(model)
    forward, backward, found, p_bar, _ = map(np.asarray, enumerated(model))
    np.testing.assert_allclose(forward, A, atol=3e-6)
    np.testing.assert_allclose(backward, A_bar, atol=1e-6)
    np.testing.assert_allclose(found, M, atol=3e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(p_bar.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(p_bar @ M, p_bar, atol=1e-5)


@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_extreme_weights_in_likelihood_and_gradient(space):
    model = extreme_model(space)
    x = jnp.asarray(reference.bit_rows(5)[::7], bool)
    p_bar = np.full(space.num_states, 1 / space.num_states, np.float32)
    logits, found = jax.jit(
        lambda *given: (nm.state_logits(model), likelihood.occupancy_log_prob(*given))
    )(model, p_bar, x)
    log_A = log_bernoulli(logits, x)
    expected = logsumexp(log_A, b=1 / space.num_states, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    log_p, r = jax.jit(responsibilities)(np.log(p_bar), log_A.T.astype(np.float32))
    np.testing.assert_allclose(np.sum(r, axis=0), 1, rtol=NORMALISED)
    np.testing.assert_allclose(log_p, expected, rtol=1e-6, atol=1e-6)
    _, trajectory = draw(model, KEY, x[0], 8)
    for score in ("paper", "exact"):
        found = two_step_gradient(model, trajectory, x, score=score)
        assert found.finite
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@jax.jit
def of_rbm(machine, x):
    h = nm.backward_log_probs(rbm.to_model(machine), x)
    log_Z, log_p = rbm.log_partition(machine), rbm.log_prob(machine, x)
    return log_Z, log_p, rbm.occupancy(machine), h


@pytest.mark.parametrize("space", [OneHot(3, "softmax"), Binary(3)], ids=ids)
@pytest.mark.parametrize("size", [1e4, 1.0])
def test_extreme_rbm(space, size):
    model = extreme_model(space, size)
    p = model.parameters
    machine = Rbm(rbm.Parameters(p.w, p.a, p.a_bar), model.x_mean, space)
    z = np.asarray(space.states(), float)
    w, a, a_bar = (np.asarray(v, float) for v in (p.w, p.a, p.a_bar))
    x = reference.bit_rows(5)
    energy = (x - 0.5) @ w @ z.T + (x @ a)[:, None] + z @ a_bar
    log_Z = logsumexp(energy)
    log_partition, found, law, h = of_rbm(machine, x.astype(bool))
    np.testing.assert_allclose(log_partition, log_Z, rtol=1e-6)
    expected = logsumexp(energy, axis=1) - log_Z
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * abs(log_Z))
    np.testing.assert_allclose(
        law, np.exp(logsumexp(energy, axis=0) - log_Z), atol=1e-3
    )
    np.testing.assert_allclose(np.sum(law), 1, rtol=NORMALISED)
    np.testing.assert_allclose(np.exp(h).sum(1), 1, rtol=NORMALISED)


def test_extreme_mixture():
    logits = jnp.asarray([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]], jnp.float32)
    found = BernoulliMixture(jnp.asarray([0.0, -jnp.inf], jnp.float32), logits)
    x = reference.bit_rows(3)
    log_p = np.asarray(jax.jit(mixture.log_prob)(found, x.astype(bool)))
    np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=NORMALISED)
    np.testing.assert_allclose(
        log_p, log_bernoulli(np.asarray(logits)[:1], x)[:, 0], rtol=1e-6
    )


@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_thresholds_of_extreme_logits(extreme):
    roundings = np.array([1e-6, 0.5, 1 - 1e-6], np.float32)
    q = jax.jit(thresholds)(np.full(3, extreme, np.float32), roundings)
    assert (np.asarray(q) == (2**16 if extreme > 0 else 0)).all()
