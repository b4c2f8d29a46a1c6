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
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from ._checks import check_count, checked
from ._linear import contract, on_last_axis
from ._random import BLOCK, draw_pixels, latent_noise, pixel_table
from .latent import AbstractLatent
from .model import Model, backward_field, state_logits


@checked
def sample(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> tuple[
    Bool[Array, " D"], Bool[Array, "T D"], Bool[Array, "T L"], Float[Array, "T L"]
]:
    """x(T), and x(t), z(t) and the field of p(z|x(t)) for t = 0 .. T - 1 (eq. 18)."""
    x_after, h_after = candidates(model, key, num_steps)
    steps = jnp.arange(num_steps)
    noise = step_noise(model, key, steps)

    h_first = backward_field(model, x)
    z_first = model.latent.draw_index(noise[0], h_first.astype(noise.dtype))
    z = _follow(_next_states(model.latent, noise[1:], h_after[:-1]), z_first)

    x_next = x_after[steps, z]
    xs = jnp.concatenate([x.astype(bool)[None], x_next[:-1]])
    h = jnp.concatenate([h_first[None], h_after[steps, z][:-1]])
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
    return _candidates(model, key, steps, lambda t: tables[t // BLOCK])


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
) -> tuple[Bool[Array, "n S D"], Float[Array, "n S L"]]:
    """Candidates of x(t + 1), one a latent state, and their fields.

    `table` gives the `pixel_table` (S, D) of a step.
    """
    p = model.parameters
    x = jax.vmap(lambda t: draw_pixels(key, t, table(t)))(steps)
    bias = p.a_bar - contract(p.w_bar, model.x_mean)
    h = contract(x.astype(model.x_mean.dtype.type), p.w_bar.T)
    return x, h + on_last_axis(bias, h)


def _next_states(
    latent: AbstractLatent, noise: Float[Array, "n U"], h: Float[Array, "n S L"]
) -> Int[Array, "n S"]:
    """Row t, column s: the state drawn from the field of candidate s of a step."""
    shape = (noise.shape[0], latent.num_states, latent.num_uniforms)
    noise = jnp.broadcast_to(noise[:, None], shape)
    return latent.draw_index(noise, h.astype(noise.dtype))


def _follow(maps: Int[Array, "n S"], first: Int[Array, ""]) -> Int[Array, " T"]:
    """The states first, maps[0](first), maps[1](maps[0](first)), ..."""

    def compose(earlier, later):
        return jnp.take_along_axis(later, earlier, axis=-1)

    return jnp.concatenate(
        [first[None], jax.lax.associative_scan(compose, maps)[:, first]]
    )
