"""The random numbers of a chain, addressed by (key, double step, site).

Every number is a function of the key, the step t and the site i alone (a counter-based
generator), so a chain of T steps can be cut into blocks, and member i of an ensemble
sees the same numbers whatever runs beside it. `pixel_table` and `draw_pixels` draw
visible states, `latent_noise` is for `AbstractLatent.draw`, `draw_indices` for
mini-batches.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, SC'11),
the one that JAX uses by default. JAX compiles its rounds as a loop on the CPU; written
out, they fuse with their consumer and run several times faster (docs/performance.md).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int, Key, Shaped, UInt8, UInt32

from ._checks import check_count, checked
from ._linear import on_last_axis, working_dtype
from .latent import AbstractLatent

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
# The first counter is the step. These numbers belong to no step that a chain reaches.
_ROUNDING = np.uint32(0x80000000)
_INDICES = np.uint32(0xFFFFFFFF)


BLOCK = 64
"""Double steps that share the random rounding of the forward probabilities."""


@checked
def pixel_table(
    key: Key[Array, ""], block: Int[Array, ""] | int, logits: Float[Array, "*b D"]
) -> Int[Array, "*b D"]:
    """What the draws of one block of double steps compare their random bits with.

    Rows are p(x|z) of some latent states, given by their `logits`; draws of one pixel
    within a block have a covariance of at most 2^-34 (`thresholds`).
    """
    return thresholds(logits, rounding(key, block, logits.shape[-1]))


@checked
def draw_pixels(
    key: Key[Array, ""], step: Int[Array, ""] | int, table: Int[Array, "*b D"]
) -> Bool[Array, "*b D"]:
    """Draws x ~ p(x|z) in one double step, one for each row of a `pixel_table`.

    The rows share the random numbers of the step.

    **Arguments:** typed `key`; `step`, t < 2^31; `table`.

    **Raises:** `ValueError` for a D below 1.
    """
    return unpack(draw_packed(key, step, table), table.shape[-1])


@checked
def draw_packed(
    key: Key[Array, ""], step: Int[Array, ""] | int, table: Int[Array, "*b D"]
) -> UInt8[Array, "*b Q"]:
    """`draw_pixels` with four pixels to a byte, as the scan of a chain carries them.

    Bit k of byte j is pixel k Q + j, Q = ceil(D / 4), from half a random word. One
    elementwise expression of the words: compilers fuse the generator with the
    comparison, and the words are never stored.
    """
    num_visible = table.shape[-1]
    check_count("num_visible", num_visible, 1, "pixel")
    quarter = -(-num_visible // 4)
    low, high = _words(key, jnp.uint32(step), quarter)
    spare = 4 * quarter - num_visible
    widths = [(0, 0)] * (table.ndim - 1) + [(0, spare)]
    padded = jnp.pad(table, widths) if spare else table
    packed = jnp.uint32(0)
    for k, word in enumerate((low, low, high, high)):
        bits = word >> 16 if k % 2 else word & 0xFFFF
        below = padded[..., k * quarter : (k + 1) * quarter]
        on = on_last_axis(bits.astype(jnp.int32), below) < below
        packed = packed | (on.astype(jnp.uint32) << k)
    return packed.astype(jnp.uint8)


@checked
def latent_noise(
    latent: AbstractLatent,
    key: Key[Array, ""],
    steps: Int[Array, " n"],
    num_visible: int,
    dtype: DTypeLike = jnp.float32,
) -> Float[Array, "n U"]:
    """The noise of the latent draws in some double steps, for `AbstractLatent.draw`.

    Made at once: so few numbers that a step of its own costs more than they do.

    **Arguments:** `latent`; typed `key`; `steps`, t < 2^31; `num_visible`, D; `dtype`
    of the model: of 23 (in double precision 32) random bits, at least 23.
    """
    # The 8 bits of a bfloat16 would draw no state of probability below 1 / 256.
    dtype = working_dtype(dtype).type

    def uniforms(t):
        return latent_uniforms(key, t, num_visible, latent.num_uniforms, dtype)

    return latent.noise(jax.vmap(uniforms)(steps))


# A function of its own for JAX: its 130 operations are traced once for a shape.
@checked
@jax.jit
def threefry(
    key: UInt32[Array, "2"], x0: UInt32[Array, "*b"], x1: UInt32[Array, "*b"]
) -> tuple[UInt32[Array, "*b"], UInt32[Array, "*b"]]:
    """Threefry-2x32-20 of the counters (x0, x1) under a key of two words."""
    schedule = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    x0, x1 = x0 + schedule[0], x1 + schedule[1]
    for group in range(5):
        for r in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = ((x1 << r) | (x1 >> (32 - r))) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1


@checked
def latent_uniforms(
    key: Key[Array, ""],
    step: Int[Array, ""] | int,
    num_visible: int,
    num_uniforms: int,
    dtype: type = jnp.float32,
) -> Float[Array, " U"]:
    """The uniforms of the latent state in one double step, for `AbstractLatent.noise`.

    **Arguments:** typed `key`; `step`, t < 2^31; `num_visible`, D; `num_uniforms`, U;
    `dtype`, of 23 (in double precision 32) random bits.

    **Raises:** `ValueError` for a D or U below 1.
    """
    check_count("num_visible", num_visible, 1, "pixel")
    check_count("num_uniforms", num_uniforms, 1, "uniform")
    quarter = -(-num_visible // 4)
    words, _ = _words(key, jnp.uint32(step), num_uniforms, quarter)
    return _uniform(words, dtype)


@checked
def rounding(
    key: Key[Array, ""], block: Int[Array, ""] | int, num_visible: int
) -> Float[Array, " D"]:
    """Uniforms in (0, 1), one a pixel, that round the probabilities of a block.

    **Raises:** `ValueError` for a D below 1.
    """
    check_count("num_visible", num_visible, 1, "pixel")
    half = -(-num_visible // 2)
    words = _words(key, _ROUNDING + jnp.uint32(block), half)
    return _uniform(jnp.concatenate(words)[:num_visible], jnp.float32)


@checked
def thresholds(
    logits: Float[Array, "*b D"], rounding: Float[Array, " D"]
) -> Int[Array, "*b D"]:
    """Integers q in [0, 2^16]: 16 random bits are below q with sigmoid(logits).

    q is 2^16 sigmoid(logits) rounded up or down at random, so that the probability of
    each draw is exact although it uses only 16 bits: to the rounding of a float32, and
    on a grid of 2^-39, off by up to 1.4e-12 (9 % at 1e-11, 82 % at 1e-12, nothing drawn
    below 2^-41), as a `rounding` has 23 random bits. Draws of a pixel that share a
    `rounding` (the steps of one block of a chain) have a covariance of at most 2^-34.
    Computed from the smaller of p and 1 - p: both tails keep their precision.
    """
    tail = jax.nn.sigmoid(-jnp.abs(logits)).astype(jnp.float32)
    rounding = on_last_axis(rounding, tail)
    below = jnp.floor(tail * 2.0**16 + rounding).astype(jnp.int32)
    return jnp.where(logits > 0, 2**16 - below, below)


@checked
def pack(x: Shaped[Array, "*b D"]) -> UInt8[Array, "*b Q"]:
    """Visible states with four pixels to a byte, as `draw_packed` makes them."""
    quarter = -(-x.shape[-1] // 4)
    widths = [(0, 0)] * (x.ndim - 1) + [(0, 4 * quarter - x.shape[-1])]
    parts = jnp.pad(x.astype(jnp.uint8), widths).reshape(*x.shape[:-1], 4, quarter)
    places = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None], parts.shape)
    return jnp.sum(parts << places, axis=-2, dtype=jnp.uint8)


@checked
def unpack(packed: UInt8[Array, "*b Q"], num_visible: int) -> Bool[Array, "*b D"]:
    """Visible states from four pixels to a byte; the inverse of `pack`.

    **Raises:** `ValueError` for a `num_visible` that these bytes do not have.
    """
    quarter = packed.shape[-1]
    if quarter != -(-num_visible // 4):
        raise ValueError(
            f"num_visible={num_visible}: expected at most 4 pixels to each of the "
            f"{quarter} bytes, and no byte without one"
        )
    # Copies side by side and a constant mask: plain loops, where an axis of length 4
    # would leave compilers with strided ones.
    mask = np.repeat(np.array([1, 2, 4, 8], np.uint8), quarter)
    tiled = jnp.concatenate([packed] * 4, axis=-1)
    mask = np.broadcast_to(mask, tiled.shape)
    return ((tiled & mask) != 0)[..., :num_visible]


@checked
def draw_indices(
    key: Key[Array, ""],
    count: int,
    num_points: int,
    start: Int[Array, ""] | int = 0,
) -> Int[Array, " count"]:
    """`count` numbers of data points, uniform on 0 .. num_points - 1, with replacement.

    The numbers `start`, `start + 1`, .. of one long sequence a key. Independent of the
    chain with the same key. A number's probability is within 2^-32 of 1 / num_points.

    **Raises:** `ValueError` for a negative `count` or `num_points` below 1.
    """
    check_count("count", count, 0, "numbers")
    check_count("num_points", num_points, 1, "data point")
    words, _ = _words(key, _INDICES, count, start)
    return (words % np.uint32(num_points)).astype(jnp.int32)


def _words(
    key: Key[Array, ""],
    first: UInt32[Array, ""] | np.uint32,
    count: int,
    start: Int[Array, ""] | int = 0,
):
    """Two words for each of the `count` counters (first, start), (first, start + 1)."""
    second = jnp.uint32(start) + jnp.arange(count, dtype=jnp.uint32)
    key_words = jax.random.key_data(key)[:2].astype(jnp.uint32)
    return threefry(key_words, jnp.full_like(second, first), second)


def _uniform(words: UInt32[Array, "*b"], dtype: type) -> Float[Array, "*b"]:
    """Midpoints of 2^23 (or, in double precision, 2^32) equal cells of (0, 1)."""
    bits = min(32, jnp.finfo(dtype).nmant)
    cells = (words >> np.uint32(32 - bits)).astype(dtype)
    return (cells + 0.5) * dtype(2.0**-bits)
