"""Sizes of mini-batches, and sums over them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax._minibatch import sum_chunks
from nelc_jax._random import draw_indices
from nelc_jax.training import batch_schedule


def test_batch_schedule():
    """The paper's: 16 to 160 in equal increments over 120 epochs."""
    sizes = batch_schedule(16, 160, 120)
    assert sizes.shape == (120,)
    assert (sizes[0], sizes[-1]) == (16, 160)
    assert abs(sizes - (16 + 144 * np.arange(120) / 119)).max() <= 0.5
    assert batch_schedule(7, 9, 1).tolist() == [7]


@pytest.mark.parametrize("size", [1, 15, 16, 17, 40])
def test_sum_chunks(size):
    """The mean over the points that the key chooses, whatever the chunks."""
    assert_mean(size)


@pytest.mark.parametrize("size", [1, 128, 129, 300])
def test_sum_chunks_of_an_accelerator(size, as_accelerator):
    assert_mean(size)


def assert_mean(size):
    key, x = jax.random.key(0), jnp.arange(7.0) ** 2
    found = jax.jit(sum_chunks, static_argnums=0)(
        lambda points, weights: (weights @ points, weights.sum()),
        (jnp.float32(0), jnp.float32(0)),
        key,
        x,
        jnp.int32(size),
    )
    chosen = draw_indices(key, 400, 7, 0)[:size]
    np.testing.assert_allclose(found, (np.mean(x[chosen]), 1), rtol=1e-5)
