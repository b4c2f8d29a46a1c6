"""The latent kernel M[z', z] (eq. 3) of a model too large to enumerate over x."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from ..chain import fold_chain
from ..model import Model, backward_log_probs, state_logits
from ..noise import bernoulli_packed, pixel_noise, rounding, thresholds, unpack

CHUNK = 32
"""Samples a latent state that share the random rounding of the probabilities."""


class Counts(eqx.Module):
    """Transitions z' -> z seen on a chain: `pairs[z', z]`, and the chain's last x."""

    pairs: Int[Array, "S S"]
    x: Bool[Array, " D"]


def count_transitions(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> Counts:
    """Transitions along a chain of T double steps, the paper's estimator of M.

    **Arguments:** typed `key`; `x`, the starting state (of a stationary chain: nothing
    is discarded); `num_steps`, T >= 2, which hold T - 1 transitions.

    **Raises:** `ValueError` for a T below 2.
    """
    if num_steps < 2:
        raise ValueError(f"num_steps={num_steps}: expected at least 2 double steps")
    latent = model.latent
    states = jnp.arange(latent.num_states)

    def observe(carry, _, z):
        before, pairs = carry
        now = latent.index(z)
        seen = (states[:, None] == before) & (states[None] == now)
        return now, pairs + seen

    init = (jnp.int32(-1), jnp.zeros((latent.num_states,) * 2, jnp.int32))
    x_end, (_, pairs) = fold_chain(model, key, x, num_steps, observe, init)
    return Counts(pairs, x_end)


def kernel_from_counts(
    pairs: Int[Array, "S S"],
) -> tuple[Float[Array, "S S"], Float[Array, " S"]]:
    """M with normalised rows (eq. 3) and the empirical occupancy p_bar from counts.

    A pair never seen has M = 0. A latent state never left (dead) gets p_bar as its row:
    it then adds no flux and only an eigenvalue 0, and M stays row-stochastic.

    **Returns:** M and p_bar, the share of the departures from each state.
    """
    departures = jnp.sum(pairs, axis=1)
    p_bar = departures / jnp.maximum(jnp.sum(departures), 1)
    rows = pairs / jnp.maximum(departures, 1)[:, None]
    return jnp.where(departures[:, None] > 0, rows, p_bar[None]), p_bar


def average_log_transitions(
    model: Model, key: Key[Array, ""], num_samples: int
) -> Float[Array, "S S"]:
    """ln M[z', z], M the mean of A_bar[x, z] over draws x ~ A[z', x] (eq. 3).

    The expectation of `count_transitions` with far less variance, and never zero: the
    average is taken of logarithms, so that a transition of probability e^-200, which
    the entropy production still notices, does not underflow.

    **Arguments:** typed `key`; `num_samples`, draws of x a latent state, rounded up to
    a multiple of `CHUNK`.

    **Raises:** `ValueError` for a `num_samples` below 1.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples={num_samples}: expected at least 1 sample")
    logits = state_logits(model)
    num_states = model.latent.num_states

    def draw(q, number):
        return bernoulli_packed(pixel_noise(key, number, model.num_visible), q)

    def chunk(total, index):
        q = thresholds(logits, rounding(key, index, model.num_visible))

        def one_of_each(total, n):
            numbers = (index * CHUNK + n) * num_states + jnp.arange(num_states)
            x = unpack(jax.vmap(draw)(q, numbers), model.num_visible)
            return jnp.logaddexp(total, backward_log_probs(model, x)), None

        return jax.lax.scan(one_of_each, total, jnp.arange(CHUNK))

    chunks = -(-num_samples // CHUNK)
    init = jnp.full(
        (model.latent.num_states,) * 2, -jnp.inf, model.parameters.w_bar.dtype
    )
    total, _ = jax.lax.scan(chunk, init, jnp.arange(chunks))
    # Rows sum to one up to rounding; the algebra downstream may rely on it.
    return total - logsumexp(total, axis=-1, keepdims=True)


def average_transitions(
    model: Model, key: Key[Array, ""], num_samples: int
) -> Float[Array, "S S"]:
    """M[z', z], the exponential of `average_log_transitions` (eq. 3)."""
    return jnp.exp(average_log_transitions(model, key, num_samples))
