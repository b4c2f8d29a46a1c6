"""Data and models in other dtypes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from nelc_jax import (
    OneHot,
    TrajectoryGradient,
    chain,
    latent,
    likelihood,
)
from nelc_jax import model as nm
from nelc_jax.baselines import mixture

from .. import reference
from .references import (
    KEY,
    SPACES,
    enumerated,
    ids,
    in_numpy,
    log_bernoulli,
    skip_without,
)

pytestmark = pytest.mark.usefixtures("unchecked")


def of_data(x):
    """The likelihood under a model, and the starts of a model and of a mixture."""
    model = reference.to_model(reference.random_system("softmax"))
    found = nm.forward_log_prob(model, model.latent.states(), x)
    start = nm.init_model(KEY, OneHot(3), x)
    return found, start, mixture.init(KEY, 2, x).logits


@functools.cache
def same_data():
    """What is expected of them, by zeros and ones that are booleans."""
    x = reference.bit_rows(5)[::5]
    model = reference.to_model(reference.random_system("softmax"))
    logits = jax.jit(nm.state_logits)(model)
    return log_bernoulli(logits, x), *jax.jit(of_data)(x.astype(bool))[1:]


@pytest.mark.parametrize(
    "dtype",
    [
        bool,
        np.uint8,
        np.int8,
        np.int32,
        np.float16,
        jnp.bfloat16,
        np.float32,
        np.float64,
    ],
)
def test_dtypes_of_data(dtype):
    """Zeros and ones are the same numbers in every dtype, of NumPy and of JAX."""
    skip_without(dtype)
    x = reference.bit_rows(5)[::5]
    expected, same, same_logits = same_data()
    both = x.astype(dtype), jnp.asarray(x.astype(dtype))
    # What is closed over stays an array of NumPy or of JAX, with numbers known.
    for found, other, logits in jax.jit(lambda: [of_data(x) for x in both])():
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert {leaf.dtype for leaf in jax.tree.leaves(other)} == {np.dtype("float32")}
        for one, right in zip(*map(jax.tree.leaves, (other, same)), strict=True):
            np.testing.assert_array_equal(one, right)
        np.testing.assert_array_equal(logits, same_logits)


@pytest.mark.parametrize("kind", reference.KINDS)
def test_bfloat16_models(kind):
    """Half the bytes, the law of the rounded weights to their precision."""
    system = reference.random_system(kind)
    model = jax.tree.map(lambda a: a.astype(jnp.bfloat16), reference.to_model(system))
    A, A_bar, M = in_numpy(model)
    for found, expected in zip(enumerated(model)[:3], (A, A_bar, M), strict=True):
        assert found.dtype == jnp.bfloat16
        np.testing.assert_allclose(np.asarray(found, float), expected, atol=0.03)


def test_bfloat16_draws_of_rare_states():
    """Probabilities below the 8 bits of the dtype are still drawn."""
    h = np.repeat(np.array([[8, 0]], jnp.bfloat16), 20000, axis=0)
    sample = jax.jit(latent.sample_latent, static_argnums=0)
    z = np.asarray(sample(OneHot(2, "softmax"), KEY, h))
    # e^-8 of 20000: 6.7 expected, of a Poisson law.
    assert 0 < int(z[:, 1].sum()) < 20


@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_float64(x64, space):
    x = reference.bit_rows(5)[::3]

    @jax.jit
    def all_of(x):
        model = nm.init_model(KEY, space, x.astype(bool), jnp.float64)
        _, trajectory = chain.sample_chain(model, KEY, x[0], 3)
        found = TrajectoryGradient(score="paper").estimate(model, trajectory, x)
        p_bar = jnp.full(space.num_states, 1 / space.num_states)
        log_p = likelihood.occupancy_log_prob(model, p_bar, x)
        return model, found.gradient, log_p, nm.state_logits(model)

    model, gradient, log_p, logits = all_of(x)
    assert {a.dtype for a in jax.tree.leaves(model)} == {np.dtype("float64")}
    assert {a.dtype for a in jax.tree.leaves(gradient)} == {np.dtype("float64")}
    expected = logsumexp(log_bernoulli(logits, x), b=1 / space.num_states, axis=1)
    np.testing.assert_allclose(log_p, expected, rtol=1e-13)
