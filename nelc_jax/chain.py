"""The Markov chain x -> z -> x' (Sect. II, eq. 18).

A scan over the double steps, or, where latent states are few and arithmetic is cheap,
the same chain drawn for all of them at once (`_parallel`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from . import _parallel
from ._checks import check_count, checked
from ._linear import contract
from ._loops import platform_dependent, scan, scan_blocks
from ._native import calls
from ._random import BLOCK, draw_packed, pack, rounding, thresholds, unpack
from .model import Model, forward_logits, state_logits

__all__ = ["Trajectory", "fold_chain", "sample_chain"]

PARALLEL_STATES = 16
"""Latent states up to which accelerators draw the double steps of a block at once."""

Carry = TypeVar("Carry")


class Trajectory(eqx.Module):
    """The sequence of eq. 18, z(t) drawn from p(z|x(t)) and x(t + 1) from p(x|z(t)).

    `h` holds the fields of p(z|x(t)), which the gradient needs again.
    """

    x: Bool[Array, "T D"]
    z: Shaped[Array, "T L"]
    h: Float[Array, "T L"]


@checked
def sample_chain(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    num_steps: int,
    parallel: bool | None = None,
) -> tuple[Bool[Array, " D"], Trajectory]:
    """T double steps from x(0) = x (eq. 18).

    **Arguments:** typed `key`; `x`, the starting state; `num_steps`, T >= 1;
    `parallel`, whether the double steps of a block of `BLOCK` are drawn at once, in few
    large operations: S times the arithmetic and the memory. By default on accelerators,
    for at most `PARALLEL_STATES` latent states. It is the same chain, but where the
    rounding of h decides a draw of z.

    **Returns:** x(T), which starts the next chain of a persistent run, and the
    trajectory (x(0), z(0)) .. (x(T - 1), z(T - 1)).

    **Raises:** `ValueError` for a T below 1, or `parallel=True` with a latent space
    that is not enumerable.
    """
    check_count("num_steps", num_steps, 1, "double step")

    def in_turn(model, key, x):
        return _scan_chain(model, key, x, num_steps=num_steps)

    def at_once(model, key, x):
        def block(x, index, length):
            x_end, *trajectory = _parallel.sample(model, key, x, index, length)
            return x_end, Trajectory(*trajectory)

        return scan_blocks(num_steps, BLOCK, block, x.astype(bool))

    if parallel:
        return at_once(model, key, x)
    latent = model.latent
    few = latent.enumerable and latent.num_states <= PARALLEL_STATES
    elsewhere = at_once if parallel is None and few else in_turn
    on_cpu = in_turn
    if calls.covers(model):
        on_cpu = calls.in_place_of(in_turn, partial(_native_chain, num_steps=num_steps))
    if on_cpu is elsewhere:
        return in_turn(model, key, x)
    return platform_dependent(model, key, x, cpu=on_cpu, default=elsewhere)


@checked
def fold_chain(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    num_steps: int,
    observe: Callable[[Carry, Bool[Array, " D"], Shaped[Array, " L"]], Carry],
    init: Carry,
) -> tuple[Bool[Array, " D"], Carry]:
    """T double steps that keep only `carry = observe(carry, x(t), z(t))`.

    The chain is the one that `sample_chain` draws with the same key; memory does not
    grow with T.

    **Arguments:** as `sample_chain`; `observe`, any traceable function; `init`, the
    carry before the first step.

    **Returns:** x(T) and the final carry.

    **Raises:** `ValueError` for a T below 1.
    """

    def body(step, state, at):
        x, carry = state
        code, _, x_next = step(x, at)
        seen = observe(carry, unpack(x, model.num_visible), _decode(model, code))
        return (x_next, seen), None

    def in_turn(model, key, x, init):
        block = _stepwise(model, key, body)
        (x_end, carry), _ = scan_blocks(num_steps, BLOCK, block, (pack(x), init))
        return unpack(x_end, model.num_visible), carry

    def by_blocks(model, key, x, init):
        def block(state, index, length):
            x, carry = state
            draw = calls.in_place_of(
                partial(_scan_chain, num_steps=length),
                partial(_native_chain, num_steps=length),
            )
            x_end, seen = draw(model, key, x, index)
            carry, _ = scan(
                lambda carry, at: (observe(carry, *at), None), carry, (seen.x, seen.z)
            )
            return (x_end, carry), None

        return scan_blocks(num_steps, BLOCK, block, (x.astype(bool), init))[0]

    check_count("num_steps", num_steps, 1, "double step")
    if not calls.covers(model):
        return in_turn(model, key, x, init)
    return platform_dependent(model, key, x, init, cpu=by_blocks, default=in_turn)


def _scan_chain(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    first_block: Int[Array, ""] | int = 0,
    *,
    num_steps: int,
) -> tuple[Bool[Array, " D"], Trajectory]:
    def body(step, x, at):
        code, h, x_next = step(x, at)
        return x_next, (x, code, h)

    block = _stepwise(model, key, body, first_block)
    x_end, (xs, codes, h) = scan_blocks(num_steps, BLOCK, block, pack(x))
    trajectory = Trajectory(unpack(xs, model.num_visible), _decode(model, codes), h)
    return unpack(x_end, model.num_visible), trajectory


def _native_chain(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    first_block: Int[Array, ""] | int = 0,
    *,
    num_steps: int,
) -> tuple[Bool[Array, " D"], Trajectory]:
    x_end, xs, codes, h = calls.chain(model, key, x, first_block * BLOCK, num_steps)
    return x_end, Trajectory(xs, _decode(model, codes), h)


def _stepwise(
    model: Model, key: Key[Array, ""], body: Callable, first_block: Any = 0
) -> Callable:
    """A block of `scan_blocks`: `body(step, carry, (t, latent noise))` in turn."""

    logits = state_logits(model) if model.latent.enumerable else None

    def block(carry, index, length):
        index = first_block + index
        step = _stepper(model, key, index, logits)
        t = index * BLOCK + jnp.arange(length, dtype=jnp.int32)
        return scan(
            partial(body, step), carry, (t, _parallel.step_noise(model, key, t))
        )

    return block


def _stepper(
    model: Model, key: Key[Array, ""], block, logits: Float[Array, "S D"] | None
):
    """The double step of a block, packed x, (t, latent noise) -> code, h, packed x'.

    The code is the index of z where states are enumerated, whose `logits` are given,
    and z itself elsewhere.
    """
    latent, parameters = model.latent, model.parameters
    dtype = model.x_mean.dtype.type
    # The centring trick as a constant: w_bar (x - x_mean) + a_bar = w_bar x + bias.
    bias = parameters.a_bar - contract(parameters.w_bar, model.x_mean)
    # Made once for a block; of no more states than it has steps also their table.
    round_at = rounding(key, block, model.num_visible)
    table = None
    if logits is not None and len(logits) <= BLOCK:
        table = thresholds(logits, round_at)

    def step(x, at):
        t, noise = at
        bits = unpack(x, model.num_visible).astype(dtype)
        h = contract(parameters.w_bar, bits) + bias
        field = h.astype(noise.dtype)
        if logits is None:
            code = latent.draw(noise, field)
            row = thresholds(forward_logits(model, code), round_at)
        else:
            code = latent.draw_index(noise, field)
            row = thresholds(logits[code], round_at) if table is None else table[code]
        return code, h, draw_packed(key, t, row)

    return step


def _decode(model: Model, codes: Array) -> Shaped[Array, "*b L"]:
    latent = model.latent
    return latent.states()[codes] if latent.enumerable else codes
