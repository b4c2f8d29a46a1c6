"""Derivatives of the law of independent bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from nelc_jax._bernoulli import bernoulli_log_prob, bernoulli_normaliser

# Eight roundings: exp, sum and quotient of a sigmoid, twice, and two products.
EIGHT = 8 * np.finfo(np.float64).eps


@pytest.mark.parametrize("value", [0.0, 1e-3, -3.0, 1e4, -1e4])
def test_derivatives_of_the_likelihood_have_no_kinks(value, x64):
    """d ln p / dl = x - s(l), forward and in reverse, and -s (1 - s) once more."""
    logits, x = jnp.full((1, 2), value), jnp.asarray([[0.0, 1.0]])
    s = expit(value)

    def log_prob(logits):
        return bernoulli_log_prob(logits, x)[0, 0]

    def normaliser(logits):
        return bernoulli_normaliser(logits)[0]

    for function, slope in ((log_prob, x - s), (normaliser, jnp.full((1, 2), s))):
        sign = 1 if function is normaliser else -1
        for derivative in (jax.jacrev, jax.jacfwd):
            np.testing.assert_allclose(derivative(function)(logits), slope, rtol=EIGHT)
            curvature = derivative(derivative(function))(logits).reshape(2, 2)
            expected = sign * s * (1 - s) * np.eye(2)
            # 1 - s is right to an eps of 1.
            np.testing.assert_allclose(curvature, expected, rtol=EIGHT, atol=EIGHT / 8)


def test_derivatives_in_half_precision():
    for value, expected in ((0.0, 0.5), (1e4, 1.0), (-1e4, 0.0)):
        logits = jnp.full(3, value, jnp.bfloat16)
        found = jax.grad(bernoulli_normaliser)(logits)
        assert found.dtype == jnp.bfloat16
        np.testing.assert_array_equal(found.astype(jnp.float32), expected)
