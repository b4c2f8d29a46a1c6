"""The latent kernel M[z', z] (eq. 3) as an average of A_bar over draws of x ~ A_z'.

Entropy production needs the logarithm of transitions however rare, and those of a
trained model come from an x that A_z' hardly ever draws: a plain average misses them,
which makes sigma too large (docs/methods.md). So half of the draws are plain and half
come from *tilted* laws, A_z' with logits shifted by beta (c @ w_bar), which drives the
fields h towards another state, with beta close enough to one another for the laws to
overlap. Every draw is weighted by A_z'(x) over the density of the whole mixture:
unbiased, and no weight exceeds 2. Of many states, those that lead to z' or follow it
have a tilt (`TARGETS`), so that the draws of a state do not grow with their number.

The draws are bits, which have no derivative; that of the weights' A_z'(x), the density
of the mixture held fixed, makes up for it (`score_function`).
"""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Key

from .._bernoulli import bernoulli_normaliser
from .._checks import check_count, checked
from .._derivatives import score_function
from .._linear import at_least_single, contract, on_last_axis
from .._loops import platform_dependent, scan
from .._native import calls
from .._random import draw_pixels, pixel_table
from ..latent import AbstractLatent
from ..model import Model, backward_field, state_logits

TARGETS = 16
"""Of more latent units, a state's draws are tilted towards those that matter to it."""

_STRATA, _FINE = 4, 4
"""A tilt has a strength beta from every quarter of ]0, 1], one of four at random."""


@checked
def average_log_transitions(
    model: Model, key: Key[Array, ""], num_samples: int
) -> Float[Array, "S S"]:
    """ln M[z', z], M the weighted mean of A_bar[x, z] over draws of x (eq. 3).

    The expectation of `count_transitions` with far less variance, and never zero: the
    average is taken of logarithms, so that a transition of probability e^-200, which
    the entropy production still notices, does not underflow.

    **Arguments:** typed `key`; `num_samples`, draws of x a latent state, rounded up to
    a multiple of `batch_size`.

    **Raises:** `ValueError` for a `num_samples` below 1.
    """
    return combine_batches(log_transition_batches(model, key, num_samples, 1))


@checked
def average_log_arrivals(
    model: Model, key: Key[Array, ""], logits: Float[Array, "K D"], num_samples: int
) -> Float[Array, "K S"]:
    """ln of the mean of p(z|x) over draws of x from K laws of independent bits.

    `average_log_transitions` with other laws of x than those of the model's states: of
    `model`, p(z|x) alone is read.

    **Arguments:** typed `key`; `logits` of the laws; `num_samples` of each.

    **Raises:** `ValueError` for a `num_samples` below 1.
    """
    check_count("num_samples", num_samples, 1, "sample")
    rounds = -(-num_samples // batch_size(model.latent))
    model, logits = at_least_single((model, logits))
    return combine_batches(
        _log_batches(model, key, logits, num_batches=1, rounds=rounds, of_states=False)
    )


@checked
def log_transition_batches(
    model: Model, key: Key[Array, ""], num_samples: int, num_batches: int
) -> Float[Array, "B S S"]:
    """Independent, unnormalised estimates of ln M[z', z], for `combine_batches`.

    In single precision at least, whatever that of the model.

    **Arguments:** as `average_log_transitions`; `num_batches`, B, among which the
    samples are divided (at least `batch_size` of them each).

    **Raises:** `ValueError` for a `num_samples` or `num_batches` below 1.
    """
    check_count("num_samples", num_samples, 1, "sample")
    check_count("num_batches", num_batches, 1, "batch")
    rounds = -(-num_samples // (batch_size(model.latent) * num_batches))
    model = at_least_single(model)
    how = {"num_batches": num_batches, "rounds": rounds}

    def by_xla(model, key):
        return _log_batches(model, key, state_logits(model), **how, of_states=True)

    if not calls.covers(model):
        return by_xla(model, key)
    native = partial(_native_batches, **how)
    on_cpu = calls.in_place_of(by_xla, native)
    return platform_dependent(model, key, cpu=on_cpu, default=by_xla)


def _log_batches(
    model: Model,
    key: Key[Array, ""],
    logits: Float[Array, "K D"],
    *,
    num_batches: int,
    rounds: int,
    of_states: bool,
) -> Float[Array, "B K S"]:
    tilts = _tilts(model, logits, of_states)
    num_draws = batch_size(model.latent)

    def of_state(z):
        of_z = jax.tree.map(lambda array: array[z], tilts)
        directions = _directions(model, of_z)
        # Of all tilts once, not for every draw.
        log_norms = _log_norms(logits[z], directions)

        def of_batch(_, batch):
            first = (z * num_batches + batch) * rounds

            def add_round(total, r):
                log_terms = _draw(
                    model, key, first + r, logits[z], of_z, directions, log_norms
                )
                return jnp.logaddexp(total, logsumexp(log_terms, axis=0)), None

            init = jnp.full(model.latent.num_states, -jnp.inf, logits.dtype)
            total, _ = scan(add_round, init, jnp.arange(rounds))
            return None, total - math.log(rounds * num_draws)

        return scan(of_batch, None, jnp.arange(num_batches))[1]

    # States in turn: each has a table of D logits for every tilt.
    return jnp.swapaxes(jax.lax.map(of_state, jnp.arange(logits.shape[0])), 0, 1)


def _native_batches(
    model: Model, key: Key[Array, ""], *, num_batches: int, rounds: int
) -> Float[Array, "B S S"]:
    """`_log_batches` of one-hot states in C, with the same random numbers."""
    logits = state_logits(model)
    tilts = _tilts(model, logits, of_states=True)
    numbers = jnp.arange(logits.shape[0] * num_batches * rounds)
    count = 2 * tilts.units.shape[-1]
    chosen = jax.vmap(lambda number: _chosen(key, number, count))(numbers)
    best = jnp.argmax(tilts.on, axis=-1).astype(jnp.int32)
    return calls.average(
        model, key, chosen, tilts.units, tilts.signs, best, num_batches
    )


@checked
def batch_size(latent: AbstractLatent) -> int:
    """The fewest draws of a latent state in a batch, half of them tilted.

    16 L, or 16 `TARGETS` for larger L.
    """
    return 2 * 2 * _STRATA * min(latent.num_units, TARGETS)


@checked
def combine_batches(batches: Float[Array, "B K S"]) -> Float[Array, "K S"]:
    """ln M of all batches together, with rows that sum to one up to rounding."""
    total = logsumexp(batches, axis=0)
    return total - logsumexp(total, axis=-1, keepdims=True)


@checked
def leave_one_out(batches: Float[Array, "B S S"]) -> Float[Array, "B S S"]:
    """ln M from all batches but one, for each of the B batches."""
    numbers = jnp.arange(batches.shape[0])

    def without(number):
        out = (numbers == number)[:, None, None]
        return combine_batches(jnp.where(out, -jnp.inf, batches))

    # In turn: B tables of B batches would add up.
    return jax.lax.map(without, numbers)


class _Tilts(eqx.Module):
    """The directions in which the draws of each state are pushed.

    With z* the most probable successor of a state, a direction flips a unit of z*,
    alone or while all units of z* are turned off: for one-hot states the field of
    another state, alone or minus that of z*. `units`, which are flipped; `signs`, +1 of
    those that were off; `on`, the bits of z*.
    """

    units: Int[Array, "*S R"]
    signs: Float[Array, "*S R"]
    on: Float[Array, "*S L"]


def _tilts(model: Model, logits: Float[Array, "K D"], of_states: bool) -> _Tilts:
    mean = jax.nn.sigmoid(logits)
    latent = model.latent
    log_next = latent.log_probs(backward_field(model, mean))
    on = latent.states()[jnp.argmax(log_next, axis=-1)].astype(logits.dtype)
    units = jnp.broadcast_to(jnp.arange(latent.num_units)[None], on.shape)
    if latent.num_units > TARGETS:
        units = jax.lax.top_k(_relevance(latent, log_next, of_states), TARGETS)[1]
    signs = 1 - 2 * jnp.take_along_axis(on, units, axis=-1)
    return _Tilts(units, signs, on)


def _relevance(
    latent: AbstractLatent, log_next: Float[Array, "K S"], of_states: bool
) -> Float[Array, "K L"]:
    """For each state and unit, how likely states with this unit lead here or follow.

    What leads here counts most: the flux against it is what the entropy production
    needs, and plain draws miss. Each state beside the likeliest one of its kind.
    """

    def share(log_p):
        return jnp.exp(log_p - jnp.max(log_p, axis=-1, keepdims=True))

    either = share(log_next)
    # Of laws that are not those of the states, only what follows is known.
    if of_states:
        either = jnp.maximum(either, share(log_next.T))
    return latent.sum_states(either.T).T


def _directions(model: Model, tilts: _Tilts) -> Float[Array, "K D"]:
    """What a strength of one adds to the logits of a state."""
    flip = tilts.signs[:, None] * model.parameters.w_bar[tilts.units]
    away = contract(tilts.on, model.parameters.w_bar)
    return jnp.concatenate([flip, flip - on_last_axis(away, flip)])


def _strengths(dtype: DTypeLike) -> Float[Array, "strata fine"]:
    number = np.arange(1, _STRATA * _FINE + 1).reshape(_STRATA, _FINE)
    return jnp.asarray(number / (_STRATA * _FINE), dtype)


def _log_norms(
    logits: Float[Array, " D"], directions: Float[Array, "K D"]
) -> Float[Array, "strata K fine"]:
    """ln E[exp(beta c . w_bar x)] under A_z', closed: its pixels are independent."""
    plain = bernoulli_normaliser(logits)

    def of_group(group):
        strengths, direction = group
        tilted = logits[None] + strengths[:, None] * direction[None]
        return bernoulli_normaliser(tilted) - plain

    # In turn: a table of D logits for every tilt is larger than all the draws.
    count = len(directions)
    strengths = jnp.repeat(_strengths(logits.dtype), count, axis=0)
    groups = strengths, jnp.tile(directions, (_STRATA, 1))
    return jax.lax.map(of_group, groups).reshape(_STRATA, count, _FINE)


def _chosen(key: Key[Array, ""], number, count: int) -> Int[Array, "strata K"]:
    """One strength of each stratum at random, by its number there.

    In the mean over these choices the draws are of the mixture of all tilts, whose
    density is what they are weighted by.
    """
    own = jax.random.fold_in(key, number)
    return jax.random.randint(own, (_STRATA, count), 0, _FINE)


def _draw(
    model: Model,
    key: Key[Array, ""],
    number,
    logits: Float[Array, " D"],
    tilts: _Tilts,
    directions: Float[Array, "K D"],
    log_norms: Float[Array, "strata K fine"],
) -> Float[Array, "n S"]:
    """ln of weight times A_bar[x, z], for G plain and G tilted draws of x."""
    p = model.parameters
    count = len(directions)
    num_groups = _STRATA * count
    strengths = _strengths(logits.dtype)
    strength = jnp.take_along_axis(strengths, _chosen(key, number, count), axis=1)
    tilted = logits[None, None] + strength[:, :, None] * directions[None]
    tilted = tilted.reshape(num_groups, -1)
    plain = jnp.broadcast_to(logits[None], tilted.shape)
    table = pixel_table(key, number, jnp.concatenate([tilted, plain]))
    steps = number * 2 * num_groups + jnp.arange(2 * num_groups)
    x = jax.vmap(draw_pixels, in_axes=(None, 0, 0))(key, steps, table)
    x = x.astype(logits.dtype)
    w_bar_x = contract(x, p.w_bar.T)
    bias = p.a_bar - contract(p.w_bar, model.x_mean)

    flip = w_bar_x[:, tilts.units]
    flip = flip * on_last_axis(tilts.signs, flip)
    along = jnp.concatenate([flip, flip - contract(w_bar_x, tilts.on)[:, None]], axis=1)
    exponents = along[:, None, :, None] * strengths[None, :, None]
    log_ratios = exponents - log_norms[None]
    log_tilted = logsumexp(log_ratios, axis=(1, 2, 3)) - math.log(log_norms.size)
    log_weight = -jnp.logaddexp(log_tilted, jnp.zeros_like(log_tilted)) + math.log(2)
    h = w_bar_x + on_last_axis(bias, w_bar_x)
    # What the draws are drawn from, and weighted by, is held fixed.
    like_x = jnp.broadcast_to(logits[None], x.shape)
    log_weight = jax.lax.stop_gradient(log_weight) + score_function(like_x, x)
    return log_weight[:, None] + model.latent.log_probs(h)
