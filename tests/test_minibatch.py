"""Sizes of mini-batches, and sums over them."""

import jax
import jax.numpy as jnp
import numpy as np

from nelc_jax._minibatch import sum_chunks
from nelc_jax._random import draw_indices
from nelc_jax.training import batch_schedule

from .accelerators import as_accelerator


def test_batch_schedule():
    """The paper's: 16 to 160 in equal increments over 120 epochs."""
    sizes = batch_schedule(16, 160, 120)
    assert sizes.shape == (120,)
    assert (sizes[0], sizes[-1]) == (16, 160)
    assert abs(sizes - (16 + 144 * np.arange(120) / 119)).max() <= 0.5
    assert batch_schedule(7, 9, 1).tolist() == [7]


def test_sum_chunks():
    """The mean over the points that the key chooses, whatever the chunks."""
    assert_means((1, 15, 16, 17, 40))


def test_sum_chunks_of_an_accelerator():
    with as_accelerator():
        assert_means((1, 128, 129, 300))


def assert_means(sizes):
    key, x = jax.random.key(0), jnp.arange(7.0) ** 2
    zeros = (jnp.float32(0), jnp.float32(0))

    @jax.jit
    def mean(size):
        def sums(points, weights):
            return weights @ points, weights.sum()

        return sum_chunks(sums, zeros, key, x, size)

    drawn = np.asarray(x)[draw_indices(key, 400, 7, 0)]
    for size in sizes:
        expected = (np.mean(drawn[:size]), 1)
        np.testing.assert_allclose(mean(jnp.int32(size)), expected, rtol=1e-5)
