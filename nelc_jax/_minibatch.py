"""Sums over a mini-batch of any size."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Shaped

from ._checks import check_batches, check_points, checked
from ._loops import fori_loop, platform_dependent
from ._random import draw_indices

CHUNK = 16
"""Data points of a mini-batch that a CPU gathers and sums at a time, in its cache."""

DEVICE_CHUNK = 128
"""Those of an accelerator, where passes cost more than points of no weight."""

Sums = TypeVar("Sums")
"""A tree of arrays that are additive over data points."""


@checked
def sum_chunks(
    sums_of: Callable[[Array, Array], Sums],
    zeros: Sums,
    key: Key[Array, ""],
    x: Shaped[Array, "N *s"],
    batch_size: Int[Array, ""],
) -> Sums:
    """Mean over a mini-batch, in chunks: one program serves every batch size.

    (1/B) sum_b f(x_{i_b}) with B indices i_b drawn uniformly, with replacement, which
    depend on the key and b alone.

    **Arguments:** `sums_of(points, weights)`, the weighted sum of f over the points of
    a chunk (`CHUNK`, or `DEVICE_CHUNK`); `zeros`, what such a sum starts from; typed
    `key`; data `x`, the points along the first axis; `batch_size`, B.

    **Returns:** the mean, a tree like `zeros`.

    **Raises:** `ValueError` when `x` has no points, or for a known `batch_size` below
    1.
    """
    check_points("x", x)
    check_batches("batch_size", batch_size)
    # An array of NumPy cannot be indexed by what is traced.
    x, batch_size = jnp.asarray(x), jnp.asarray(batch_size, jnp.int32)
    dtype = jax.tree.leaves(zeros)[0].dtype

    def sums_of_chunk(chunk, size, batch_size):
        first = chunk * size
        chosen = draw_indices(key, size, x.shape[0], first)
        used = first + jnp.arange(size, dtype=jnp.int32) < batch_size
        weights = used.astype(dtype) / jnp.asarray(batch_size, dtype)
        return sums_of(x[chosen], weights)

    def add_chunks(start, size, batch_size, sums):
        def add(chunk, sums):
            return jax.tree.map(jnp.add, sums, sums_of_chunk(chunk, size, batch_size))

        return fori_loop(start, -(-batch_size // size), add, sums)

    def on_cpu(batch_size):
        return add_chunks(0, CHUNK, batch_size, zeros)

    def on_device(batch_size):
        # The first outside of the loop, which few batches then enter.
        sums = sums_of_chunk(0, DEVICE_CHUNK, batch_size)
        return add_chunks(1, DEVICE_CHUNK, batch_size, sums)

    return platform_dependent(batch_size, cpu=on_cpu, default=on_device)
