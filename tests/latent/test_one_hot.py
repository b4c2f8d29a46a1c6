"""One unit on at a time."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import OneHot

from .. import reference
from .spaces import SPACES, L, brute_force


@pytest.mark.parametrize("normalization", ["sigmoid", "softmax"])
def test_draw_one_hot(x64, normalization, h):
    """A fine grid of two uniforms falls into areas as large as the probabilities."""
    size = 300
    space = OneHot(2, normalization)
    axis = (np.arange(size) + 0.5) / size
    grid = jnp.asarray(list(itertools.product(axis, axis)))
    noise = space.noise(grid)
    for row in h[:, :2]:
        z = space.draw(noise, jnp.tile(row, (len(grid), 1)))
        frequency = reference.histogram(space.index(z), 2) / len(grid)
        # The border between the areas crosses at most two cells a row of the grid.
        expected = brute_force(space, row)
        np.testing.assert_allclose(frequency, expected, rtol=0, atol=2 / size)


def test_equal_extreme_fields_are_uniform():
    """Eq. 19 with every sigmoid underflowing: the ratios survive."""
    for space, value in itertools.product(SPACES[:2], (-1e4, 1e4)):
        found = np.exp(space.log_probs(jnp.full(L, value, jnp.float32)))
        np.testing.assert_allclose(found, 1 / L, rtol=1e-6)
