"""The latent kernel M[z', z] (eq. 3) as an average of A_bar over draws of x ~ A_z'.

Entropy production needs the logarithm of transitions however rare, and those of a
trained model come from an x that A_z' hardly ever draws: a plain average misses them,
which makes sigma too large (docs/methods.md). So half of the draws are plain and half
come from *tilted* laws, A_z' with logits shifted by beta (c @ w_bar), which drives the
fields h towards another state, with beta close enough to one another for the laws to
overlap. Every draw is weighted by A_z'(x) over the density of the whole mixture:
unbiased, and no weight exceeds 2.

The draws are bits, which have no derivative; that of the weights' A_z'(x), the density
of the mixture held fixed, makes up for it (`score_function`).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key

from .._bernoulli import bernoulli_normaliser
from .._checks import check_count, checked
from .._derivatives import score_function
from .._linear import contract, on_last_axis
from .._random import draw_pixels, pixel_table
from ..latent import AbstractLatent
from ..model import Model, backward_field, state_logits

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
    a multiple of 16 L.

    **Raises:** `ValueError` for a `num_samples` below 1.
    """
    return combine_batches(log_transition_batches(model, key, num_samples, 1))


@checked
def log_transition_batches(
    model: Model, key: Key[Array, ""], num_samples: int, num_batches: int
) -> Float[Array, "B S S"]:
    """Independent, unnormalised estimates of ln M[z', z], for `combine_batches`.

    **Arguments:** as `average_log_transitions`; `num_batches`, B, among which the
    samples are divided (at least `batch_size` of them each).

    **Raises:** `ValueError` for a `num_samples` or `num_batches` below 1.
    """
    check_count("num_samples", num_samples, 1, "sample")
    check_count("num_batches", num_batches, 1, "batch")
    num_draws = batch_size(model.latent)
    rounds = -(-num_samples // (num_draws * num_batches))
    logits = state_logits(model)
    tilts = _tilts(model, logits)

    def of_state(z):
        # Of all tilts once, not for every draw.
        log_norms = _log_norms(model, logits[z], tilts[z])

        def of_batch(_, batch):
            first = (z * num_batches + batch) * rounds

            def add_round(total, r):
                log_terms = _draw(model, key, first + r, logits[z], tilts[z], log_norms)
                return jnp.logaddexp(total, logsumexp(log_terms, axis=0)), None

            init = jnp.full(logits.shape[0], -jnp.inf, logits.dtype)
            total, _ = jax.lax.scan(add_round, init, jnp.arange(rounds))
            return None, total - np.log(rounds * num_draws)

        return jax.lax.scan(of_batch, None, jnp.arange(num_batches))[1]

    # States in turn: each has a table of D logits for every tilt.
    return jnp.swapaxes(jax.lax.map(of_state, jnp.arange(logits.shape[0])), 0, 1)


@checked
def batch_size(latent: AbstractLatent) -> int:
    """The fewest draws of a latent state in a batch: 16 L, half of them tilted."""
    return 2 * 2 * _STRATA * latent.num_units


@checked
def combine_batches(batches: Float[Array, "B S S"]) -> Float[Array, "S S"]:
    """ln M of all batches together, with rows that sum to one up to rounding."""
    total = logsumexp(batches, axis=0)
    return total - logsumexp(total, axis=-1, keepdims=True)


@checked
def leave_one_out(batches: Float[Array, "B S S"]) -> Float[Array, "B S S"]:
    """ln M from all batches but one, for each of the B batches."""
    out = jnp.eye(batches.shape[0], dtype=bool)[:, :, None, None]
    kept = jnp.where(out, -jnp.inf, batches[None])
    return jax.vmap(combine_batches)(kept)


def _tilts(model: Model, logits: Float[Array, "S D"]) -> Float[Array, "S G F L"]:
    """The coefficients beta c of every tilt: the logits move by beta (c @ w_bar).

    With z* the most probable successor of each state, c flips a unit of z*, alone or
    while all units of z* are turned off: for one-hot states the field of another state,
    alone or minus that of z*. G: directions and strata of beta; F: beta in a stratum.
    """
    mean = jax.nn.sigmoid(logits)
    latent = model.latent
    next_state = jnp.argmax(latent.log_probs(backward_field(model, mean)), axis=-1)
    on = latent.states()[next_state].astype(logits.dtype)
    units = jnp.eye(latent.num_units, dtype=logits.dtype)
    flip = jnp.broadcast_to(units[None], (len(on), *units.shape))
    flip = flip * (1 - 2 * on[:, None, :])
    directions = jnp.concatenate([flip, flip - on[:, None, :]], axis=1)
    number = np.arange(1, _STRATA * _FINE + 1).reshape(_STRATA, 1, _FINE, 1)
    strengths = jnp.asarray(number / (_STRATA * _FINE), logits.dtype)
    scaled = strengths[None] * directions[:, None, :, None]
    return scaled.reshape(len(on), -1, _FINE, latent.num_units)


def _log_norms(
    model: Model, logits: Float[Array, " D"], tilts: Float[Array, "G F L"]
) -> Float[Array, "G F"]:
    """ln E[exp(beta c . w_bar x)] under A_z', closed: its pixels are independent."""

    def of_group(group):
        tilted = logits[None] + contract(group, model.parameters.w_bar)
        return bernoulli_normaliser(tilted) - bernoulli_normaliser(logits)

    # In turn: a table of D logits for every tilt is larger than all the draws.
    return jax.lax.map(of_group, tilts)


def _draw(
    model: Model,
    key: Key[Array, ""],
    number,
    logits: Float[Array, " D"],
    tilts: Float[Array, "G F L"],
    log_norms: Float[Array, "G F"],
) -> Float[Array, "2*G S"]:
    """ln of weight times A_bar[x, z], for G plain and G tilted draws of x."""
    p = model.parameters
    num_groups = len(tilts)
    # One strength of each stratum at random: in the mean over these choices the draws
    # are of the mixture of all tilts, whose density is what they are weighted by.
    chosen = jax.random.randint(
        jax.random.fold_in(key, number), (num_groups,), 0, _FINE
    )
    coefficients = tilts[jnp.arange(num_groups), chosen]
    tilted = logits[None] + contract(coefficients, p.w_bar)
    plain = jnp.broadcast_to(logits[None], tilted.shape)
    table = pixel_table(key, number, jnp.concatenate([tilted, plain]))
    steps = number * 2 * num_groups + jnp.arange(2 * num_groups)
    x = jax.vmap(draw_pixels, in_axes=(None, 0, 0))(key, steps, table)
    x = x.astype(logits.dtype)
    w_bar_x = contract(x, p.w_bar.T)
    bias = p.a_bar - contract(p.w_bar, model.x_mean)

    exponents = contract(w_bar_x, tilts.reshape(-1, tilts.shape[-1]).T)
    log_ratios = exponents - on_last_axis(log_norms.reshape(-1), exponents)
    log_tilted = logsumexp(log_ratios, axis=-1) - np.log(log_norms.size)
    log_weight = -jnp.logaddexp(log_tilted, jnp.zeros_like(log_tilted)) + np.log(2)
    h = w_bar_x + on_last_axis(bias, w_bar_x)
    # What the draws are drawn from, and weighted by, is held fixed.
    like_x = jnp.broadcast_to(logits[None], x.shape)
    log_weight = jax.lax.stop_gradient(log_weight) + score_function(like_x, x)
    return log_weight[:, None] + model.latent.log_probs(h)
