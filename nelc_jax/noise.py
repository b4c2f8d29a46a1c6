"""The random numbers of a chain, addressed by (key, double step, site).

Every number is a function of the key, the step t and the site i alone (a counter-based
generator), so a chain of T steps can be cut into blocks of any length, and member i of
an ensemble sees the same numbers whatever runs beside it.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, SC'11),
the one that JAX uses by default. JAX compiles its rounds as a loop on the CPU; written
out, they fuse with their consumer and run several times faster (docs/performance.md).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt32

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
# Counters: (step, site) for visible sites, (step, _LATENT + unit) for latent ones, and
# two steps that no chain reaches for numbers that belong to no step.
_LATENT = np.uint32(0x80000000)
_SITE_OFFSETS = np.uint32(0xFFFFFFFF)
_INDICES = np.uint32(0xFFFFFFFE)


class Noise(eqx.Module):
    """The random numbers of T double steps.

    `visible` are words r uniform on [0, 2^32): site i of step t is on where r is below
    the threshold of its probability. `latent` are uniforms in (0, 1) for `Latent.draw`.
    """

    visible: UInt32[Array, "T D"]
    latent: Float[Array, "T U"]


def threefry(
    key: UInt32[Array, "2"], x0: UInt32[Array, "..."], x1: UInt32[Array, "..."]
) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
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


def draw_noise(
    key: PRNGKeyArray,
    start: Int[Array, ""] | int,
    num_steps: int,
    num_visible: int,
    num_uniforms: int,
    dtype: jnp.dtype = jnp.float32,
) -> Noise:
    """The random numbers of the double steps start .. start + num_steps - 1.

    A visible word has 16 fresh bits above 16 bits built as (A_i + B_t) mod 2^16, with
    A_i and B_t fresh for each site and each step. The lower half decides only where
    the upper half equals that of the threshold, once in 2^16 draws. Each word is exactly
    uniform and any two are exactly independent; the joint law of all of them departs
    from independence only where four or more ties close a cycle in (t, i), which has
    probability 2^-64 for each rectangle of two steps and two sites.

    **Arguments:** typed `key`; `start`, the first step; `num_steps`, T;
    `num_visible`, D; `num_uniforms`, U; `dtype` of the latent uniforms.
    """
    words = _key_words(key)
    steps = jnp.uint32(start) + jnp.arange(num_steps, dtype=jnp.uint32)
    quarter = -(-num_visible // 4)
    sites = jnp.arange(quarter, dtype=jnp.uint32)

    fresh = _halves(*threefry(words, *jnp.broadcast_arrays(steps[:, None], sites)))
    site_offset = _halves(
        *threefry(words, jnp.full_like(sites, _SITE_OFFSETS), sites)
    )
    units = _LATENT + jnp.arange(1 + num_uniforms, dtype=jnp.uint32)
    latent, _ = threefry(words, *jnp.broadcast_arrays(steps[:, None], units))
    step_offset, latent = latent[:, 0], latent[:, 1:]

    lower = (site_offset + step_offset[:, None]) & 0xFFFF
    return Noise(
        visible=((fresh << 16) | lower)[:, :num_visible], latent=_uniform(latent, dtype)
    )


def draw_indices(
    key: PRNGKeyArray, count: int, num_points: int
) -> Int[Array, " count"]:
    """`count` numbers of data points, uniform on 0 .. num_points - 1, with replacement.

    The first numbers do not depend on `count`. Independent of `draw_noise` with the same
    key. A number's probability is within 2^-32 of 1 / num_points.
    """
    position = jnp.arange(count, dtype=jnp.uint32)
    word, _ = threefry(_key_words(key), jnp.full_like(position, _INDICES), position)
    return (word % np.uint32(num_points)).astype(jnp.int32)


def thresholds(logits: Float[Array, "*b"]) -> UInt32[Array, "*b"]:
    """Thresholds q of probabilities: a uniform word is below q with sigmoid(logits).

    Computed from the smaller of p and 1 - p, so that both tails keep their relative
    precision; |q / 2^32 - p| <= 2^-32 beyond the rounding of the dtype, and no outcome
    has probability zero (q is at least 1 and at most 2^32 - 1).
    """
    tail = jax.nn.sigmoid(-jnp.abs(logits))
    q = jnp.maximum((tail * 2.0**32).astype(jnp.uint32), 1)
    return jnp.where(logits > 0, ~q + 1, q)


def bernoulli(
    words: UInt32[Array, "*b"], q: UInt32[Array, "*b"]
) -> Bool[Array, "*b"]:
    """Bernoulli draws from uniform words and the `thresholds` of their probabilities."""
    return words < q


def _key_words(key: PRNGKeyArray) -> UInt32[Array, "2"]:
    return jax.random.key_data(key)[:2].astype(jnp.uint32)


def _halves(x0: UInt32[Array, "*b n"], x1: UInt32[Array, "*b n"]):
    """The four 16-bit halves of two words, side by side on the last axis."""
    return jnp.concatenate(
        [x0 >> 16, x0 & 0xFFFF, x1 >> 16, x1 & 0xFFFF],
        axis=-1,
    )


def _uniform(words: UInt32[Array, "*b"], dtype: jnp.dtype) -> Float[Array, "*b"]:
    """Midpoints of 2^23 (or, in double precision, 2^32) equal cells of (0, 1)."""
    bits = 32 if jnp.finfo(dtype).nmant >= 32 else jnp.finfo(dtype).nmant
    cells = (words >> jnp.uint32(32 - bits)).astype(dtype)
    return (cells + 0.5) * dtype(2.0**-bits)
