"""The Markov chain x -> z -> x' (Sect. II, eq. 18), by `lax.scan`."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from .annotations import checked
from .checks import check_count
from .model import Model, contract, forward_logits, state_logits
from .noise import (
    bernoulli_packed,
    latent_uniforms,
    pack,
    pixel_noise,
    rounding,
    thresholds,
    unpack,
)

BLOCK = 64
"""Double steps that share the random rounding of the forward probabilities."""

Carry = TypeVar("Carry")


class Trajectory(eqx.Module):
    """The sequence of eq. 18, z(t) drawn from p(z|x(t)) and x(t + 1) from p(x|z(t)).

    `h` holds the fields of p(z|x(t)), which the gradient needs again.
    """

    x: Bool[Array, "T D"]
    z: Bool[Array, "T L"]
    h: Float[Array, "T L"]


@checked
def double_step(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"]
) -> tuple[Bool[Array, " L"], Bool[Array, " D"]]:
    """One double step x -> z -> x': z ~ A_bar[x, z], x' ~ A[z, x'] (eq. 8-11, 19)."""
    (noise,) = latent_noise(model, key, jnp.arange(1))
    code, _, x_next = _stepper(model, key, 0)(pack(x), (0, noise))
    return _decode(model, code), unpack(x_next, model.num_visible)


@checked
def sample_chain(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> tuple[Bool[Array, " D"], Trajectory]:
    """T double steps from x(0) = x (eq. 18).

    **Arguments:** typed `key`; `x`, the starting state; `num_steps`, T >= 1.

    **Returns:** x(T), which starts the next chain of a persistent run, and the
    trajectory (x(0), z(0)) .. (x(T - 1), z(T - 1)).

    **Raises:** `ValueError` for a T below 1.
    """

    def body(step, x, at):
        code, h, x_next = step(x, at)
        return x_next, (x, code, h)

    x_end, (xs, codes, h) = _scan_blocks(model, key, num_steps, body, pack(x))
    trajectory = Trajectory(unpack(xs, model.num_visible), _decode(model, codes), h)
    return unpack(x_end, model.num_visible), trajectory


@checked
def fold_chain(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    num_steps: int,
    observe: Callable[[Carry, Bool[Array, " D"], Bool[Array, " L"]], Carry],
    init: Carry,
) -> tuple[Bool[Array, " D"], Carry]:
    """T double steps that keep only `carry = observe(carry, x(t), z(t))`.

    The chain is the one that `sample_chain` draws with the same key; memory does not
    grow with T.

    **Arguments:** as `sample_chain`; `observe`, any traceable function; `init`, the
    carry before the first step.

    **Returns:** x(T) and the final carry.
    """

    def body(step, state, at):
        x, carry = state
        code, _, x_next = step(x, at)
        seen = observe(carry, unpack(x, model.num_visible), _decode(model, code))
        return (x_next, seen), None

    start = (pack(x), init)
    (x_end, carry), _ = _scan_blocks(model, key, num_steps, body, start)
    return unpack(x_end, model.num_visible), carry


def _scan_blocks(
    model: Model, key: Key[Array, ""], num_steps: int, body: Callable, init: Any
) -> tuple[Any, Any]:
    """Scan `body(step, carry, (t, latent noise))` over T double steps, by blocks."""
    check_count("num_steps", num_steps, 1, "double step")

    def block(carry, index, length):
        step = _stepper(model, key, index)
        t = index * BLOCK + jnp.arange(length)
        return jax.lax.scan(
            partial(body, step), carry, (t, latent_noise(model, key, t))
        )

    whole, rest = divmod(num_steps, BLOCK)
    carry, parts = init, []
    if whole:
        carry, stacked = jax.lax.scan(
            partial(block, length=BLOCK), carry, jnp.arange(whole)
        )
        parts.append(jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), stacked))
    if rest:
        carry, stacked = block(carry, jnp.int32(whole), rest)
        parts.append(stacked)
    return carry, jax.tree.map(lambda *a: jnp.concatenate(a), *parts)


def _stepper(model: Model, key: Key[Array, ""], block):
    """The double step of a block, packed x, (t, latent noise) -> code, h, packed x'.

    The code is the index of z where states are enumerated, z itself elsewhere.
    """
    latent, parameters = model.latent, model.parameters
    round_at = rounding(key, block, model.num_visible)
    dtype = model.x_mean.dtype.type
    # The centring trick as a constant: w_bar (x - x_mean) + a_bar = w_bar x + bias.
    bias = parameters.a_bar - contract(parameters.w_bar, model.x_mean)
    # Of enumerated states, the probabilities of a whole block are made once.
    enumerable = latent.enumerable
    table = thresholds(state_logits(model), round_at) if enumerable else None

    def step(x, at):
        t, noise = at
        bits = unpack(x, model.num_visible).astype(dtype)
        h = contract(parameters.w_bar, bits) + bias
        if table is not None:
            code = latent.draw_index(noise, h)
            q = table[code]
        else:
            code = latent.draw(noise, h)
            q = thresholds(forward_logits(model, code), round_at)
        pixels = pixel_noise(key, t, model.num_visible)
        return code, h, bernoulli_packed(pixels, q)

    return step


@checked
def latent_noise(
    model: Model, key: Key[Array, ""], steps: Int[Array, " n"]
) -> Float[Array, "n U"]:
    """The noise of the latent draws of some steps.

    Made at once: so few numbers that a step of its own costs more than they do.
    """
    latent = model.latent
    # The 8 bits of a bfloat16 would draw no state of probability below 1 / 256.
    dtype = jnp.promote_types(model.x_mean.dtype, jnp.float32).type

    def uniforms(t):
        return latent_uniforms(key, t, model.num_visible, latent.num_uniforms, dtype)

    return latent.noise(jax.vmap(uniforms)(steps))


def _decode(model: Model, codes: Array) -> Bool[Array, "*b L"]:
    latent = model.latent
    return latent.states()[codes] if latent.enumerable else codes
