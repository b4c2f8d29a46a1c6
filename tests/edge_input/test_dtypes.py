"""Data and models in other dtypes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from nelc_jax import (
    OneHot,
    exact,
    latent,
    likelihood,
)
from nelc_jax import model as nm
from nelc_jax.baselines import mixture

from .. import reference
from .references import (
    KEY,
    SPACES,
    draw,
    ids,
    in_numpy,
    log_bernoulli,
    two_step_gradient,
)

pytestmark = pytest.mark.usefixtures("unchecked")


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
    if dtype is np.float16:
        try:
            jnp.zeros(1, dtype).astype(jnp.float32)
        except jax.errors.JaxRuntimeError:
            pytest.skip("XLA converts half precision by F16C instructions only")
    x = reference.bit_rows(5)[::5]
    model = reference.to_model(reference.random_system("softmax"))
    expected = log_bernoulli(nm.state_logits(model), x)
    for data in (x.astype(dtype), jnp.asarray(x.astype(dtype))):
        found = nm.forward_log_prob(model, model.latent.states(), data)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        other = nm.init_model(KEY, OneHot(3), data)
        same = nm.init_model(KEY, OneHot(3), x.astype(bool))
        assert {leaf.dtype for leaf in jax.tree.leaves(other)} == {np.dtype("float32")}
        for one, right in zip(*map(jax.tree.leaves, (other, same)), strict=True):
            np.testing.assert_array_equal(one, right)
        start = mixture.init(KEY, 2, data)
        np.testing.assert_array_equal(
            start.logits, mixture.init(KEY, 2, jnp.asarray(x, bool)).logits
        )


@pytest.mark.parametrize("kind", reference.KINDS)
def test_bfloat16_models(kind):
    """Half the bytes, the law of the rounded weights to their precision."""
    system = reference.random_system(kind)
    model = jax.tree.map(lambda a: a.astype(jnp.bfloat16), reference.to_model(system))
    A, A_bar, M = in_numpy(model)
    for find, expected in (
        (exact.forward_matrix, A),
        (exact.backward_matrix, A_bar),
        (exact.latent_kernel, M),
    ):
        found = find(model)
        assert found.dtype == jnp.bfloat16
        np.testing.assert_allclose(np.asarray(found, float), expected, atol=0.03)


def test_bfloat16_draws_of_rare_states():
    """Probabilities below the 8 bits of the dtype are still drawn."""
    h = jnp.full((20000, 2), 8, jnp.bfloat16).at[:, 1].set(0)
    z = latent.sample_latent(OneHot(2, "softmax"), KEY, h)
    # e^-8 of 20000: 6.7 expected, of a Poisson law.
    assert 0 < int(z[:, 1].sum()) < 20


@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_float64(x64, space):
    x = reference.bit_rows(5)[::3]
    model = nm.init_model(KEY, space, x.astype(bool), jnp.float64)
    assert {a.dtype for a in jax.tree.leaves(model)} == {np.dtype("float64")}
    _, trajectory = draw(model, KEY, jnp.asarray(x[0]), 3)
    found = two_step_gradient(model, trajectory, jnp.asarray(x))
    assert {a.dtype for a in jax.tree.leaves(found.gradient)} == {np.dtype("float64")}
    p_bar = jnp.full(space.num_states, 1 / space.num_states)
    log_p = likelihood.occupancy_log_prob(model, p_bar, jnp.asarray(x))
    expected = logsumexp(
        log_bernoulli(nm.state_logits(model), x), b=1 / space.num_states, axis=1
    )
    np.testing.assert_allclose(log_p, expected, rtol=1e-13)
