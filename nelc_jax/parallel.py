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

from .annotations import checked
from .chain import BLOCK, Trajectory, latent_noise
from .checks import check_count
from .latent import Latent
from .linear import contract, on_last_axis
from .model import Model, backward_field, state_logits
from .noise import bernoulli_packed, pixel_noise, rounding, thresholds, unpack


@checked
def sample_chain(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> tuple[Bool[Array, " D"], Trajectory]:
    """T double steps from x(0) = x (eq. 18): the result of `chain.sample_chain`.

    The same random numbers and the same chain, but where the rounding of h decides a
    draw of z. Memory grows as T S D.

    **Arguments:** as `chain.sample_chain`; the latent space must be enumerable.

    **Returns:** x(T) and the trajectory.

    **Raises:** `ValueError` for a T below 1 or a latent space that is not enumerable.
    """
    x_after, h_after = candidates(model, key, num_steps)
    steps = jnp.arange(num_steps)
    noise = latent_noise(model, key, steps)

    h_first = backward_field(model, x)
    z_first = model.latent.draw_index(noise[0], h_first)
    z = _follow(_next_states(model.latent, noise[1:], h_after[:-1]), z_first)

    x_next = x_after[steps, z]
    xs = jnp.concatenate([x.astype(bool)[None], x_next[:-1]])
    h = jnp.concatenate([h_first[None], h_after[steps, z][:-1]])
    return x_next[-1], Trajectory(xs, model.latent.states()[z], h)


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
    their probabilities (`noise.thresholds`); maps of different blocks are independent.

    **Arguments:** typed `key`; `steps`, 0 <= t < 2^31 - 1.

    **Raises:** `ValueError` for a latent space that is not enumerable.
    """
    require_enumerable(model.latent)
    table = _tables(model, key)
    _, h = _candidates(model, key, steps, lambda t: table(t // BLOCK))
    return _next_states(model.latent, latent_noise(model, key, steps + 1), h)


@checked
def require_enumerable(latent: Latent):
    """Raise the `ValueError` of a latent space that is not enumerable."""
    if not latent.enumerable:
        raise ValueError(
            f"latent={latent}: expected a latent space that can be enumerated; "
            "chain.sample_chain takes any"
        )


def _tables(model: Model, key: Key[Array, ""]) -> Callable[[Array | int], Array]:
    """The function from a block to its thresholds q, one row a latent state."""
    logits = state_logits(model)
    return lambda block: thresholds(logits, rounding(key, block, model.num_visible))


def _candidates(
    model: Model,
    key: Key[Array, ""],
    steps: Int[Array, " n"],
    table: Callable[[Array], Array],
) -> tuple[Bool[Array, "n S D"], Float[Array, "n S L"]]:
    """Candidates of x(t + 1), one a latent state, and their fields.

    `table` gives the thresholds (S, D) of a step.
    """

    def draw(t):
        pixels = pixel_noise(key, t, model.num_visible)
        return jax.vmap(lambda q: bernoulli_packed(pixels, q))(table(t))

    p = model.parameters
    x = unpack(jax.vmap(draw)(steps), model.num_visible)
    bias = p.a_bar - contract(p.w_bar, model.x_mean)
    h = contract(x.astype(model.x_mean.dtype.type), p.w_bar.T)
    return x, h + on_last_axis(bias, h)


def _next_states(
    latent: Latent, noise: Float[Array, "n U"], h: Float[Array, "n S L"]
) -> Int[Array, "n S"]:
    """Row t, column s: the state drawn from the field of candidate s of a step."""
    shape = (noise.shape[0], latent.num_states, latent.num_uniforms)
    return latent.draw_index(jnp.broadcast_to(noise[:, None], shape), h)


def _follow(maps: Int[Array, "n S"], first: Int[Array, ""]) -> Int[Array, " T"]:
    """The states first, maps[0](first), maps[1](maps[0](first)), ..."""

    def compose(earlier, later):
        return jnp.take_along_axis(later, earlier, axis=-1)

    return jnp.concatenate(
        [first[None], jax.lax.associative_scan(compose, maps)[:, first]]
    )
