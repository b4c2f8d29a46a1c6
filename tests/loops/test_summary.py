"""Measures of a loop from draws, against its enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary, OneHot, summarize
from nelc_jax.diagnostics import entropy_production_rate, relaxation_time
from nelc_jax.loops import EnumeratedLoop, init_loop, summarize_loop

from .. import reference
from .systems import as_loop, random_loop, to_loop

DATA = np.random.default_rng(5).random((5, 4)) < 0.5


def test_one_hidden_layer_is_summarized_alike(data):
    """From the same draws."""
    system = reference.random_system("sigmoid")

    @jax.jit
    def both(key, x):
        return (
            summarize_loop(to_loop(as_loop(system)), key, x, 96),
            summarize(reference.to_model(system), key, x, 96),
        )

    found, expected = both(jax.random.key(0), jnp.asarray(data))
    for one, other in (
        (found.log_likelihood, expected.log_likelihood),
        (found.relaxation_time, expected.relaxation_time),
        (found.entropy_production_rates[0], expected.entropy_production_rate),
        (found.occupancies[0], expected.occupancy),
    ):
        # A hundred roundings, in sigma of terms that are larger than it.
        np.testing.assert_allclose(one, other, rtol=1e-3)


def test_measures_are_those_of_the_enumeration():
    """Each layer of three; errors fall as the root of the number of draws."""
    loop, x = (
        to_loop(random_loop([("sigmoid", 3), ("binary", 2)], seed=5)),
        jnp.asarray(DATA),
    )

    @jax.jit
    def everything(key):
        exact = EnumeratedLoop.of(loop)
        M = [exact.turn_kernel(k) for k in (1, 2)]
        sigma = [entropy_production_rate(M[k - 1], exact.laws[k]) for k in (1, 2)]
        expected = exact.log_likelihood(x), relaxation_time(M[0]), M, exact.laws[1:]
        return summarize_loop(loop, key, x, 40_000), (*expected, jnp.stack(sigma))

    found, (likelihood, tau, M, laws, sigma) = everything(jax.random.key(0))
    # Of 40000 draws, half of them weighted: 0.5 / 200 or so, five times.
    np.testing.assert_allclose(found.log_likelihood, likelihood, atol=0.01)
    np.testing.assert_allclose(found.relaxation_time, tau, rtol=0.05)
    for k in range(2):
        np.testing.assert_allclose(np.exp(found.log_kernels[k]), M[k], atol=0.0125)
        np.testing.assert_allclose(found.occupancies[k], laws[k], atol=0.0125)
    np.testing.assert_allclose(found.entropy_production_rates, sigma, rtol=0.15)
    # Control: the two layers differ by more than that.
    assert abs(sigma[0] - sigma[1]) > 0.5 * max(sigma)


@pytest.mark.usefixtures("unchecked")
def test_layers_too_large_to_enumerate():
    loop = init_loop(jax.random.key(0), (Binary(9), OneHot(3)), DATA)
    with pytest.raises(ValueError, match=r"latent=Binary.num_units=9.*: expected"):
        summarize_loop(loop, jax.random.key(0), DATA, 8)
