"""Sums over a mini-batch of any size."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Shaped

from ._checks import check_batches, check_points, checked
from ._loops import fori_loop
from ._random import draw_indices

CHUNK = 16
"""Data points of a mini-batch that are gathered and summed at a time."""

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

    **Arguments:** `sums_of(points, weights)`, the weighted sum of f over `CHUNK`
    points; `zeros`, what such a sum starts from; typed `key`; data `x`, the points
    along the first axis; `batch_size`, B.

    **Returns:** the mean, a tree like `zeros`.

    **Raises:** `ValueError` when `x` has no points, or for a known `batch_size` below
    1.
    """
    check_points("x", x)
    check_batches("batch_size", batch_size)
    # An array of NumPy cannot be indexed by what is traced.
    x, batch_size = jnp.asarray(x), jnp.asarray(batch_size, jnp.int32)
    dtype = jax.tree.leaves(zeros)[0].dtype

    def add_chunk(chunk, sums):
        first = chunk * CHUNK
        chosen = draw_indices(key, CHUNK, x.shape[0], first)
        used = first + jnp.arange(CHUNK, dtype=jnp.int32) < batch_size
        weights = used.astype(dtype) / jnp.asarray(batch_size, dtype)
        return jax.tree.map(jnp.add, sums, sums_of(x[chosen], weights))

    return fori_loop(0, -(-batch_size // CHUNK), add_chunk, zeros)
