"""Perfect sampling: coupling from the past (Propp and Wilson 1996).

A double step is a random map f of the latent states {0 .. S - 1} (`_parallel`).
Write f_n for the map of the step n steps before the present. A chain that started N
steps ago is now in

    G_N(z) = f_1(f_2(... f_N(z))).

Once G_N is constant, where the chain started does not matter: it may as well have
started in the infinite past, and the value of G_N has the stationary law exactly
(docs/perfect_sampling.md).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from ._checks import check_count, checked
from ._loops import while_loop
from ._parallel import random_maps, require_enumerable
from ._random import BLOCK, draw_pixels, pixel_table
from .model import Model, forward_logits

__all__ = ["PerfectSamples", "perfect_sample"]

MAX_STEPS = 2**31 // BLOCK - 1
"""The largest horizon: each step into the past takes a block of a chain's counters."""


class PerfectSamples(eqx.Module):
    """Draws from z ~ p_bar and x ~ A_z, each exact only where it `coalesced`.

    The others hold index -1 and an x of zeros. Leaving them out is a selection: the
    law of the rest is off by a total variation of at most the probability that a draw
    does not coalesce, of which `1 - mean(coalesced)` is an estimate. No draw of a model
    with a nan coalesces.
    """

    x: Bool[Array, "n D"]
    index: Int[Array, " n"]
    """The `AbstractLatent.index` of z."""
    coalesced: Bool[Array, " n"]
    steps: Int[Array, " n"]
    """The least N for which G_N is constant, in double steps; else `max_steps`."""


@checked
def perfect_sample(
    model: Model, key: Key[Array, ""], num_samples: int, max_steps: int
) -> PerfectSamples:
    """Independent exact draws z ~ p_bar, x ~ A_z (eq. 5-6), without a burn-in.

    G_{N+1} = G_N o f_{N+1}, from N = 0 until G_N is constant. Draw i depends on the key
    and on i alone, and a larger `max_steps` changes no draw that coalesced. Memory
    grows as n S D; the time is that of the draw that takes longest.

    **Arguments:** typed `key`; `num_samples`, n >= 1; `max_steps`, the horizon in
    double steps, 1 to `MAX_STEPS`. The latent space must be enumerable.

    **Raises:** `ValueError` for an n or a horizon out of range, or a latent space that
    is not enumerable.
    """
    check_count("num_samples", num_samples, 1, "sample")
    if not 1 <= max_steps <= MAX_STEPS:
        raise ValueError(
            f"max_steps={max_steps}: expected 1 to {MAX_STEPS} double steps"
        )
    require_enumerable(model.latent)

    def draw(i):
        return _draw(model, jax.random.fold_in(key, i), max_steps)

    return PerfectSamples(*jax.vmap(draw)(jnp.arange(num_samples)))


def _draw(model: Model, key: Key[Array, ""], max_steps: int):
    """One draw: x, the index of z, whether it coalesced, and the number of steps."""

    def unfinished(state):
        n, composed = state
        return (n < max_steps) & ~_constant(composed)

    def further_back(state):
        n, composed = state
        # Maps of different blocks share no random number, not even the rounding of
        # their probabilities: they are independent. Block 0 is kept for x.
        (earlier,) = random_maps(model, key, BLOCK * (n + 1)[None])
        return n + 1, composed[earlier]

    identity = jnp.arange(model.latent.num_states, dtype=jnp.int32)
    n, composed = while_loop(unfinished, further_back, (jnp.int32(0), identity))
    # Of nan, all draws are the same, and maps constant at once.
    coalesced = _constant(composed) & ~model.has_nan
    n = jnp.where(model.has_nan, max_steps, n)
    # The x that led to z would do only if it, too, were the same from every start. The
    # x that follows z is an exact draw, its noise being that of no map.
    logits = forward_logits(model, model.latent.states()[composed[0]])
    x = draw_pixels(key, 0, pixel_table(key, 0, logits)) & coalesced
    return x, jnp.where(coalesced, composed[0], -1), coalesced, n


def _constant(indices: Int[Array, " S"]) -> Bool[Array, ""]:
    return jnp.all(indices == indices[0])
