"""Independent bits."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary

from .. import reference
from .spaces import L


def test_binary_factorises(x64, h):
    """Eq. 11: the product over units of the probability of each bit."""
    space = Binary(L)
    found = np.exp(space.log_probs(jnp.asarray(h)))
    for k, z in enumerate(reference.bit_rows(L)):
        bits = np.where(z, reference.sigmoid(h), 1 - reference.sigmoid(h))
        np.testing.assert_allclose(found[:, k], bits.prod(-1), rtol=1e-12)


def test_binary_states_read_as_numbers():
    np.testing.assert_array_equal(Binary(L).states(), reference.bit_rows(L))


def test_draw_binary(x64, h):
    """Each bit uses its own uniform; a grid in two of them fills a rectangle."""
    size = 200
    axis = (np.arange(size) + 0.5) / size
    grid = np.array(list(itertools.product(axis, axis)))
    uniforms = np.full((len(grid), L), 0.5)
    uniforms[:, [1, 3]] = grid
    for row in h:
        z = np.asarray(
            Binary(L).draw(
                Binary(L).noise(jnp.asarray(uniforms)), jnp.tile(row, (len(grid), 1))
            )
        )
        p = reference.sigmoid(row)
        assert (z[:, 0] == (p[0] > 0.5)).all()
        both = np.mean(z[:, 1] & z[:, 3])
        np.testing.assert_allclose(both, p[1] * p[3], rtol=0, atol=2.1 / size)


def test_large_binary_space_is_not_enumerated():
    assert Binary(8).enumerable
    assert Binary(8).num_states == Binary(8).enumerate_up_to
    large = Binary(40)
    assert not large.enumerable
    h = jnp.zeros(40)
    for call in (large.states, lambda: large.log_probs(h)):
        with pytest.raises(ValueError, match="num_units=40"):
            call()
    with pytest.raises(ValueError, match="num_units=40"):
        large.index(h > 0)
    expected = -40 * np.log(2)
    # A sum of 40 terms.
    rtol = 40 * np.finfo(np.float32).eps
    np.testing.assert_allclose(large.log_prob(h, h > 0), expected, rtol=rtol)


def test_what_is_enumerated_is_a_setting():
    assert Binary(3, enumerate_up_to=8).enumerable
    assert not Binary(3, enumerate_up_to=7).enumerable
    assert Binary(3) != Binary(3, enumerate_up_to=7)
    with pytest.raises(ValueError, match="expected at most 7 latent states"):
        Binary(3, enumerate_up_to=7).states()
    with pytest.raises(ValueError, match="enumerate_up_to=0"):
        Binary(3, enumerate_up_to=0)
