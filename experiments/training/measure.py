"""What is measured of a model, after every epoch and at the end."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from nelc_jax import AbstractLatent
from nelc_jax.diagnostics import transitions
from nelc_jax.diagnostics.summary import Summary, summarize_batches
from nelc_jax.diagnostics.uncertainty import jackknife_bias, jackknife_error
from nelc_jax.diagnostics.whole_chain import (
    MeanAndError,
    whole_chain_entropy_production,
)
from nelc_jax.likelihood import occupancy_log_prob
from nelc_jax.model import Model

FINAL_SAMPLES = 4096
"""Draws of x a latent state for M at the end of a run, of up to six states."""
BATCHES = 16
"""Independent parts of these draws, from which the errors follow."""
WHOLE_CHAIN_SAMPLES = 512
"""Draws of x a latent state for the entropy production of the whole chain."""
HISTORY_DRAWS = 3456
"""Draws of x for M in the history, of all latent states together: 576 of one in six."""
SMALL, KERNEL_EVERY = 16, 10
"""Of more states than `SMALL` with a known p_bar, M is measured every tenth epoch."""
COUNTED_STEPS = 100_000
"""Length of the chain on which transitions are counted as well, the paper's T = 1e5."""


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
) -> Measured:
    """Measure one model: averaged M with errors, counted M, the whole chain.

    **Arguments:** typed `key`; `start`, the end of the persistent chain; data `x`;
    `occupancy`, p_bar where it is known.
    """
    average_key, count_key, whole_key = jax.random.split(key, 3)
    # Many latent states share what six would have.
    samples = min(FINAL_SAMPLES, 6 * FINAL_SAMPLES // model.latent.num_states + 1)
    summary, replicates = summarize_batches(
        model, average_key, x, samples, BATCHES, occupancy
    )
    return Measured(
        summary,
        replicates,
        whole_chain_entropy_production(
            model, whole_key, summary.occupancy, WHOLE_CHAIN_SAMPLES
        ),
        transitions.count_transitions(model, count_key, start, COUNTED_STEPS).pairs,
    )


def measure_epoch(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, "N D"],
    occupancy: Float[Array, " S"] | None,
    epoch: Int[Array, ""],
) -> tuple[Summary, Float[Array, ""], Float[Array, ""]]:
    """The summary of a model after an epoch, and the error and bias of its sigma.

    Where M is not measured, all but the likelihood is nan.
    """
    batches = history_batches(model.latent)
    samples = batches * _fewest_draws(model.latent)

    def measured():
        summary, replicates = summarize_batches(
            model, key, x, samples, batches, occupancy
        )
        rate = summary.entropy_production_rate
        replicated = replicates.entropy_production_rate
        return summary, jackknife_error(replicated), jackknife_bias(rate, replicated)

    if occupancy is None or model.latent.num_states <= SMALL:
        return measured()
    # The kernel of many states takes longer than training, and the likelihood does not
    # need it where p_bar is known.
    log_likelihood = jnp.mean(occupancy_log_prob(model, occupancy, x))

    def unmeasured():
        unknown = jax.tree.map(
            lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype),
            jax.eval_shape(measured),
        )
        return eqx.tree_at(lambda m: m[0].log_likelihood, unknown, log_likelihood)

    return jax.lax.cond(epoch % KERNEL_EVERY == 0, measured, unmeasured)


def history_batches(latent: AbstractLatent) -> int:
    """Independent parts of the draws for M after an epoch: at least two, for errors."""
    draws = latent.num_states * _fewest_draws(latent)
    return min(max(HISTORY_DRAWS // draws, 2), BATCHES)


def _fewest_draws(latent: AbstractLatent) -> int:
    """The draws of a latent state that `average_log_transitions` takes at least."""
    return 16 * latent.num_units
