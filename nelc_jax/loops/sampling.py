"""The Markov chain round a loop.

With one hidden layer it is the chain of `sample_chain`, of the same random numbers.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Shaped

from .._checks import check_count, checked
from .._loops import scan, scan_blocks
from .._random import (
    BLOCK,
    draw_packed,
    latent_noise,
    pack,
    rounding,
    thresholds,
    unpack,
)
from .model import Loop

__all__ = ["Turns", "sample_loop"]


class Turns(eqx.Module):
    """Turns of a loop: x(t), the z_k(t) that follow it, and x(t + 1) the last of them.

    `h` holds the fields that the z were drawn at, which the gradient needs again.
    """

    x: Bool[Array, "T D"]
    z: tuple[Shaped[Array, "T _"], ...]
    h: tuple[Float[Array, "T _"], ...]


@checked
def sample_loop(
    loop: Loop, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> tuple[Bool[Array, " D"], Turns]:
    """T turns of the loop from x(0) = x.

    **Arguments:** typed `key`; `x`, the starting state; `num_steps`, T >= 1.

    **Returns:** x(T), which starts the next chain of a persistent run, and the turns.

    **Raises:** `ValueError` for a T below 1.
    """
    check_count("num_steps", num_steps, 1, "turn")
    size, last = loop.num_visible, len(loop.layers)
    keys = [key, *(jax.random.fold_in(key, k) for k in range(1, last))]

    def block(x, index, length):
        steps = index * BLOCK + jnp.arange(length, dtype=jnp.int32)
        noise = [
            latent_noise(layer, own, steps, size, loop.x_mean.dtype)
            for layer, own in zip(loop.layers, keys, strict=True)
        ]
        round_at = rounding(key, index, size)

        def turn(x, at):
            t, noise = at
            s, zs, fields = unpack(x, size), [], []
            for k, layer in enumerate(loop.layers):
                h = loop.field(k, s)
                s = layer.draw(noise[k], h.astype(noise[k].dtype))
                zs.append(s)
                fields.append(h)
            table = thresholds(loop.field(last, s), round_at)
            return draw_packed(key, t, table), (x, tuple(zs), tuple(fields))

        return scan(turn, x, (steps, noise))

    x_end, (xs, zs, fields) = scan_blocks(num_steps, BLOCK, block, pack(x))
    return unpack(x_end, size), Turns(unpack(xs, size), zs, fields)
