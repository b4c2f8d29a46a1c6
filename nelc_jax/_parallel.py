"""The chain of `chain.sample_chain`, drawn for all double steps at once.

With the random numbers of step t given, a double step from latent state s is a
deterministic map. So every latent state s gets its candidate x_s(t), the visible state
that follows s with the noise of step t, and the state f_t(s) that follows the
candidate; the chain is the composition z(t) = f_t(f_{t-1}(... f_1(z(0)))) of random
maps of {0 .. S - 1}. All heavy work is batched over t, and the candidates share the
noise. S times the arithmetic of the scan, at a depth of log T: for accelerators.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped, UInt8

from ._checks import check_count, checked
from ._linear import contract, on_last_axis
from ._random import BLOCK, draw_packed, latent_noise, pixel_table, unpack
from .latent import AbstractLatent
from .model import Model, backward_field, state_logits

RADIX = 8
"""Maps that are composed one after the other in one operation."""


@checked
def sample(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    block: Int[Array, ""] | int,
    num_steps: int,
) -> tuple[
    Bool[Array, " D"], Bool[Array, "T D"], Bool[Array, "T L"], Float[Array, "T L"]
]:
    """The double steps of one block of a chain that x is the start of (eq. 18).

    **Arguments:** typed `key`; `x`; `block`; `num_steps`, T, its first ones, at most
    `BLOCK`.

    **Returns:** the state after them, and x(t), z(t) and the field of p(z|x(t)).

    **Raises:** `ValueError` for a T below 1 or a latent space that is not enumerable.
    """
    check_count("num_steps", num_steps, 1, "double step")
    require_enumerable(model.latent)
    block = jnp.asarray(block, jnp.int32)
    steps = block * BLOCK + jnp.arange(num_steps, dtype=jnp.int32)
    table = _tables(model, key)(block)
    after, h_after = _candidates(model, key, steps, lambda _: table)
    noise = step_noise(model, key, steps)

    h_first = backward_field(model, x)
    z_first = model.latent.draw_index(noise[0], h_first.astype(noise.dtype))
    z = _follow(_next_states(model.latent, noise[1:], h_after[:-1]), z_first)

    rows = jnp.arange(num_steps)
    x_next = unpack(after[rows, z], model.num_visible)
    xs = jnp.concatenate([x.astype(bool)[None], x_next[:-1]])
    h = jnp.concatenate([h_first[None], h_after[rows, z][:-1]])
    return x_next[-1], xs, model.latent.states()[z], h


@checked
def candidates(
    model: Model, key: Key[Array, ""], num_steps: int
) -> tuple[Bool[Array, "T S D"], Float[Array, "T S L"]]:
    """The candidates of x(1) .. x(T) after each latent state, and their fields.

    T independent draws x ~ A_z of every z; the states share the noise of a draw.

    **Arguments:** typed `key`; `num_steps`, T >= 1.

    **Raises:** `ValueError` for a T below 1 or a latent space that is not enumerable.
    """
    check_count("num_steps", num_steps, 1, "double step")
    require_enumerable(model.latent)
    # One table for a block of steps, not one a step.
    table = _tables(model, key)
    tables = jax.vmap(table)(jnp.arange(-(-num_steps // BLOCK)))
    steps = jnp.arange(num_steps)
    packed, h = _candidates(model, key, steps, lambda t: tables[t // BLOCK])
    return unpack(packed, model.num_visible), h


@checked
def random_maps(
    model: Model, key: Key[Array, ""], steps: Int[Array, " n"]
) -> Int[Array, "n S"]:
    """The maps f_t that the chain composes: z(t + 1) = f_t(z(t)), for given steps t.

    Row t holds the index of the state that follows each state, with the pixel noise of
    step t and the latent noise of step t + 1. Steps of one block share the rounding of
    their probabilities (`pixel_table`); maps of different blocks are independent.

    **Arguments:** typed `key`; `steps`, 0 <= t < 2^31 - 1.

    **Raises:** `ValueError` for a latent space that is not enumerable.
    """
    require_enumerable(model.latent)
    table = _tables(model, key)
    _, h = _candidates(model, key, steps, lambda t: table(t // BLOCK))
    return _next_states(model.latent, step_noise(model, key, steps + 1), h)


def step_noise(
    model: Model, key: Key[Array, ""], steps: Int[Array, " n"]
) -> Float[Array, "n U"]:
    """The noise of the latent draws of a model's chain in some double steps."""
    dtype = model.x_mean.dtype
    return latent_noise(model.latent, key, steps, model.num_visible, dtype)


@checked
def require_enumerable(latent: AbstractLatent):
    """Raise the `ValueError` of a latent space that is not enumerable."""
    if not latent.enumerable:
        raise ValueError(
            f"latent={latent}: expected a latent space that can be enumerated; "
            "others are sampled along a chain"
        )


def _tables(model: Model, key: Key[Array, ""]) -> Callable[[Array | int], Array]:
    """The function from a block to its table, one row a latent state."""
    logits = state_logits(model)
    return lambda block: pixel_table(key, block, logits)


def _candidates(
    model: Model,
    key: Key[Array, ""],
    steps: Int[Array, " n"],
    table: Callable[[Array], Array],
) -> tuple[UInt8[Array, "n S Q"], Float[Array, "n S L"]]:
    """Candidates of x(t + 1), packed, one a latent state, and their fields.

    `table` gives the `pixel_table` (S, D) of a step.
    """
    p = model.parameters
    packed = jax.vmap(lambda t: draw_packed(key, t, table(t)))(steps)
    bias = p.a_bar - contract(p.w_bar, model.x_mean)
    x = unpack(packed, model.num_visible).astype(model.x_mean.dtype.type)
    h = contract(x, p.w_bar.T)
    return packed, h + on_last_axis(bias, h)


def _next_states(
    latent: AbstractLatent, noise: Float[Array, "n U"], h: Float[Array, "n S L"]
) -> Int[Array, "n S"]:
    """Row t, column s: the state drawn from the field of candidate s of a step."""
    shape = (noise.shape[0], latent.num_states, latent.num_uniforms)
    noise = jnp.broadcast_to(noise[:, None], shape)
    return latent.draw_index(noise, h.astype(noise.dtype))


def _follow(maps: Int[Array, "n S"], first: Int[Array, ""]) -> Int[Array, " T"]:
    """The states first, maps[0](first), maps[1](maps[0](first)), ...

    Maps are composed in groups of `RADIX`, and the states that groups start from follow
    in the same way: few operations, each of some depth, where every operation is a
    launch.
    """
    count, num_states = maps.shape
    if count <= RADIX:
        states = [first[None]]
        for step in range(count):
            states.append(_at(maps[step], states[-1]))
        return jnp.concatenate(states)
    groups = -(-count // RADIX)
    padded = jnp.pad(maps, ((0, groups * RADIX - count), (0, 0)))
    grouped = padded.reshape(groups, RADIX, num_states)
    composed = [grouped[:, 0]]
    for step in range(1, RADIX):
        composed.append(_at(grouped[:, step], composed[-1]))
    starts = _follow(composed[-1][:-1], first)
    after = [_at(maps, starts[:, None])[:, 0] for maps in composed]
    return jnp.concatenate([first[None], jnp.stack(after, axis=1).reshape(-1)[:count]])


def _at(maps: Int[Array, "*b S"], states: Int[Array, "*b n"]) -> Int[Array, "*b n"]:
    """The images of some states under each of the maps."""
    return jnp.take_along_axis(maps, states, axis=-1, mode="promise_in_bounds")
