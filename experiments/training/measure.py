"""What is measured of a model, after every epoch and at the end."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from nelc_jax import AbstractLatent
from nelc_jax.chain import fold_chain
from nelc_jax.diagnostics import transitions
from nelc_jax.diagnostics.summary import Summary, summarize_batches
from nelc_jax.diagnostics.uncertainty import jackknife_bias, jackknife_error
from nelc_jax.diagnostics.whole_chain import (
    MeanAndError,
    whole_chain_entropy_production,
)
from nelc_jax.likelihood import chain_log_prob, occupancy_log_prob
from nelc_jax.model import Model

FINAL_SAMPLES = 4096
"""Draws of x a latent state for M at the end of a run, of up to six states."""
BATCHES = 16
"""Independent parts of these draws, from which the errors follow."""
FINAL_DRAWS, FEWEST_BATCHES = 2**20, 4
"""Of very many states fewer parts, so that all draws together are about as many."""
WHOLE_CHAIN_SAMPLES = 512
"""Draws of x a latent state for the entropy production of the whole chain."""
WHOLE_CHAIN_DRAWS = 2**15
"""The most of these draws, of all latent states together."""
HISTORY_DRAWS = 3456
"""Draws of x for M in the history, of all latent states together: 576 of one in six."""
SMALL, LARGE, KERNEL_EVERY = 16, 64, 10
"""M is measured every tenth epoch, of more states than `LARGE`, or with a known p_bar
than `SMALL`."""
SAMPLED_STEPS, SAMPLED_HISTORY_STEPS = 10_000, 500
"""Double steps of the chain for the likelihood where latent states are sampled, at the
end of a run and after an epoch."""
COUNTED_STEPS = 100_000
"""Length of the chain on which transitions are counted as well, the paper's T = 1e5."""
COUNTED_CHAINS = 32
"""Chains of more states than `LARGE` that have this length together: their double steps
are products of matrices."""


class Likelihood(eqx.Module):
    """What is measured of a model whose latent states are sampled, in nats a point."""

    log_likelihood: Float[Array, "*b"]


class Measured(eqx.Module):
    """The measures of one model: see `Summary`, `Counts` and `MeanAndError`.

    `replicates` is the summary without each batch of samples in turn; `pairs` are the
    counted transitions.
    """

    summary: Summary
    replicates: Summary
    whole_chain: MeanAndError
    pairs: Int[Array, "S S"]


def measure(
    model: Model,
    key: Key[Array, ""],
    start: Bool[Array, " D"],
    x: Shaped[Array, "N D"],
    occupancy: Float[Array, " S"] | None = None,
) -> Measured | Likelihood:
    """Measure one model: averaged M with errors, counted M, the whole chain.

    Of latent states that are sampled, the likelihood along a chain.

    **Arguments:** typed `key`; `start`, the end of the persistent chain; data `x`;
    `occupancy`, p_bar where it is known.
    """
    if not model.latent.enumerable:
        return _along_chain(model, key, start, x, SAMPLED_STEPS)
    average_key, count_key, whole_key = jax.random.split(key, 3)
    # Many latent states share what six would have.
    num_states = model.latent.num_states
    samples = min(FINAL_SAMPLES, 6 * FINAL_SAMPLES // num_states + 1)
    whole_samples = min(WHOLE_CHAIN_SAMPLES, -(-WHOLE_CHAIN_DRAWS // num_states))
    summary, replicates = summarize_batches(
        model, average_key, x, samples, final_batches(model.latent), occupancy
    )
    return Measured(
        summary,
        replicates,
        whole_chain_entropy_production(
            model, whole_key, summary.occupancy, whole_samples
        ),
        count(model, count_key, start),
    )


def count(
    model: Model, key: Key[Array, ""], start: Bool[Array, " D"]
) -> Int[Array, "S S"]:
    """Transitions along a chain, of many states along several."""
    num_states = model.latent.num_states
    if num_states <= LARGE:
        return transitions.count_transitions(model, key, start, COUNTED_STEPS).pairs
    steps = -(-COUNTED_STEPS // COUNTED_CHAINS)

    def visited(key):
        def note(carry, _, z):
            t, states = carry
            return t + 1, states.at[t].set(model.latent.index(z))

        init = jnp.int32(0), jnp.zeros(steps, jnp.int32)
        return fold_chain(model, key, start, steps, note, init)[1][1]

    # A table for each chain would be larger than all that they visit.
    states = jax.vmap(visited)(jax.random.split(key, COUNTED_CHAINS))
    pairs = jnp.zeros((num_states, num_states), jnp.int32)
    return pairs.at[states[:, :-1], states[:, 1:]].add(1)


def measure_epoch(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, "N D"],
    occupancy: Float[Array, " S"] | None,
    epoch: Int[Array, ""],
    start: Bool[Array, " D"],
) -> tuple[Summary | Likelihood, Float[Array, ""] | None, Float[Array, ""] | None]:
    """The summary of a model after an epoch, and the error and bias of its sigma.

    Where M is not measured, all is nan but the likelihood of a known p_bar.
    """
    if not model.latent.enumerable:
        return _along_chain(model, key, start, x, SAMPLED_HISTORY_STEPS), None, None
    batches = history_batches(model.latent)
    samples = batches * _fewest_draws(model.latent)

    def measured():
        summary, replicates = summarize_batches(
            model, key, x, samples, batches, occupancy
        )
        rate = summary.entropy_production_rate
        replicated = replicates.entropy_production_rate
        return summary, jackknife_error(replicated), jackknife_bias(rate, replicated)

    if model.latent.num_states <= (LARGE if occupancy is None else SMALL):
        return measured()

    # The kernel of many states takes longer than training, and the likelihood does not
    # need it where p_bar is known.
    def unmeasured():
        unknown = jax.tree.map(
            lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype),
            jax.eval_shape(measured),
        )
        if occupancy is None:
            return unknown
        known = jnp.mean(occupancy_log_prob(model, occupancy, x))
        return eqx.tree_at(lambda m: m[0].log_likelihood, unknown, known)

    return jax.lax.cond(epoch % KERNEL_EVERY == 0, measured, unmeasured)


def _along_chain(model: Model, key, start, x, num_steps: int) -> Likelihood:
    """The likelihood by the states that a chain visits (App. A3)."""
    return Likelihood(jnp.mean(chain_log_prob(model, key, start, num_steps, x)))


def final_batches(latent: AbstractLatent) -> int:
    """Independent parts of the draws for M at the end of a run."""
    draws = latent.num_states * _fewest_draws(latent)
    return min(max(FINAL_DRAWS // draws, FEWEST_BATCHES), BATCHES)


def history_batches(latent: AbstractLatent) -> int:
    """Independent parts of the draws for M after an epoch: at least two, for errors."""
    draws = latent.num_states * _fewest_draws(latent)
    return min(max(HISTORY_DRAWS // draws, 2), BATCHES)


def _fewest_draws(latent: AbstractLatent) -> int:
    """The draws of a latent state that `average_log_transitions` takes at least."""
    return 16 * min(latent.num_units, 16)
