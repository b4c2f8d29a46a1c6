"""Training: stochastic ascent of the log-likelihood by RMSprop (Sect. III, IV A).

`init` makes a `State`, `train_step` advances it by one gradient step and `train` by
many, all pure functions of one member; `ensemble` maps them over members.
"""

from functools import partial
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from . import chain, horizon, parallel, traces
from .annotations import check_settings, checked
from .checks import check_batches, check_count, check_points, check_rate
from .gradient import (
    DataSums,
    Gradient,
    Support,
    data_sums,
    gradient_from_sums,
    support_of,
)
from .latent import Latent, Score
from .minibatch import sum_chunks
from .model import Model, Parameters, init_model

Sampler = Literal["auto", "scan", "parallel"]
"""Which function draws the chain (see `Config`)."""

Estimator = Literal["trajectory", "averaged"]
"""Averages over the states that a chain visits, or over draws from every state."""

PARALLEL_STATES = 16
"""Latent states up to which `"auto"` draws the chain in parallel on accelerators."""


class Config(eqx.Module):
    """What is fixed at compilation; the defaults are the paper's (Sect. IV A).

    `chain_length`, T double steps a gradient step; `score`, the reading of z - mu;
    `decay` and `eps` (inside the root) of RMSprop; `sampler`, which of the two
    functions draws the (same) chain: `"scan"`, `"parallel"`, or `"auto"`, the latter on
    accelerators for at most `PARALLEL_STATES` latent states and the former elsewhere.

    `horizon`, K, the double steps that the gradient goes back, None for all of them;
    `estimator`, of its averages: `"trajectory"`, over the chain (`traces` for K > 1 and
    their `trace`), or `"averaged"`, over `chain_length` draws of every latent state in
    its place (module `horizon`).

    **Raises:** `ValueError` for an unknown name or numbers out of range.
    """

    chain_length: int = eqx.field(static=True, default=48)
    score: Score = eqx.field(static=True, default="paper")
    decay: float = eqx.field(static=True, default=0.9)
    eps: float = eqx.field(static=True, default=1e-8)
    sampler: Sampler = eqx.field(static=True, default="auto")
    estimator: Estimator = eqx.field(static=True, default="trajectory")
    horizon: int | None = eqx.field(static=True, default=1)
    trace: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        check_settings(self)
        check_count("chain_length", self.chain_length, 1, "double step")
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay={self.decay}: expected 0 <= decay < 1")
        if not self.eps > 0:
            raise ValueError(f"eps={self.eps}: expected a positive number")
        if self.estimator == "trajectory":
            if self.horizon != 1:
                traces.check_trace(self.horizon, self.trace, self.chain_length)
        else:
            horizon.check_horizon(self.horizon)
            if self.trace != 1:
                raise ValueError(
                    f"trace={self.trace}: expected 1 with estimator='averaged'; only "
                    "'trajectory' has a trace"
                )


class Rates(eqx.Module):
    """A learning rate for each parameter; one of zero keeps it as it is."""

    w: Float[Array, ""]
    a: Float[Array, ""]
    w_bar: Float[Array, ""]
    a_bar: Float[Array, ""]


class State(eqx.Module):
    """All that training carries from one gradient step to the next.

    `x` is the end of the persistent chain, `key` the member's own and never changed
    (step k uses `fold_in(key, k)`), `learning_rate` an ordinary array, so that a sweep
    over it compiles nothing, or `Rates`.
    """

    model: Model
    optimizer: optax.OptState
    x: Bool[Array, " D"]
    key: Key[Array, ""]
    step: Int[Array, ""]
    learning_rate: Float[Array, ""] | Rates


class StepInfo(eqx.Module):
    """What one gradient step reports.

    `log_likelihood`, of its mini-batch before the update, in nats a point; `finite`,
    False once a number that the parameters depend on is not.
    """

    log_likelihood: Float[Array, ""]
    finite: Bool[Array, ""]


@checked
def init(
    key: Key[Array, ""],
    latent: Latent,
    x: Shaped[Array, "N D"],
    config: Config | None = None,
    learning_rate: Float[Array, ""] | float = 0.1,
) -> State:
    """The state before the first step: App. A1 weights, chain at the mean of the data.

    The chain starts from independent pixels with the means of the data.

    **Arguments:** the member's typed `key`; `latent`; data `x` of zeros and ones;
    `config`; `learning_rate`, eta (the paper: 0.1).

    **Raises:** `ValueError` when `x` has no points or is not of zeros and ones, or for
    a negative `learning_rate` (numbers are looked at where they are not traced).
    """
    check_rate("learning_rate", learning_rate)
    model_key, chain_key, train_key = jax.random.split(key, 3)
    model = init_model(model_key, latent, x)
    config = config or Config()
    return State(
        model=model,
        optimizer=rmsprop(config.decay, config.eps).init(model.parameters),
        x=jax.random.bernoulli(chain_key, model.x_mean),
        key=train_key,
        step=jnp.int32(0),
        learning_rate=jnp.asarray(learning_rate, model.x_mean.dtype),
    )


@checked
def train_step(
    config: Config,
    state: State,
    x: Shaped[Array, "N D"],
    batch_size: Int[Array, ""],
) -> tuple[State, StepInfo]:
    """One gradient step: T double steps, eq. 16a-d and 17 on a mini-batch, RMSprop.

    The mini-batch is drawn with replacement from the data. The averaged estimator has
    no chain: x stays.

    **Arguments:** `state`; data `x`; `batch_size`, at least 1, any traced integer.

    **Returns:** the next state and a `StepInfo`.

    **Raises:** `ValueError` when `x` has no points, or for a known `batch_size` below
    1.
    """
    check_points("x", x)
    check_batches("batch_size", batch_size)
    key = jax.random.fold_in(state.key, state.step)
    x_end, found = _gradient(config, state.model, key, state.x, x, batch_size)
    direction, optimizer = rmsprop(config.decay, config.eps).update(
        found.gradient, state.optimizer
    )
    rate = state.learning_rate
    rates = rate if isinstance(rate, Rates) else Rates(rate, rate, rate, rate)
    moved = {
        name: getattr(state.model.parameters, name)
        + getattr(rates, name) * getattr(direction, name)
        for name in ("w", "a", "w_bar", "a_bar")
    }
    info = StepInfo(found.log_likelihood, found.finite)
    return State(
        model=Model(Parameters(**moved), state.model.x_mean, state.model.latent),
        optimizer=optimizer,
        x=x_end,
        key=state.key,
        step=state.step + 1,
        learning_rate=state.learning_rate,
    ), info


@checked
def train(
    config: Config,
    state: State,
    x: Shaped[Array, "N D"],
    batch_sizes: Int[Array, " K"],
) -> tuple[State, StepInfo]:
    """K gradient steps by `scan`, one for each of `batch_sizes`.

    **Arguments:** as `train_step`.

    **Returns:** the last state, and the `StepInfo` of every step (leading axis K).

    **Raises:** as `train_step`.
    """
    check_batches("batch_sizes", batch_sizes)

    def body(state, batch_size):
        return train_step(config, state, x, batch_size)

    return jax.lax.scan(body, state, batch_sizes)


@checked
def sum_batch(
    support: Support,
    key: Key[Array, ""],
    x: Shaped[Array, "N D"],
    batch_size: Int[Array, ""],
) -> DataSums:
    """The sums over a mini-batch (`minibatch.sum_chunks`)."""
    zeros = jax.tree.map(
        jnp.zeros_like,
        DataSums(support.logits, support.weights, support.weights[0]),
    )
    return sum_chunks(partial(data_sums, support), zeros, key, x, batch_size)


@checked
def rmsprop(decay: float, eps: float) -> Any:
    """The direction of RMSprop, with `eps` inside of the root."""
    # Any: optax's own type of parameters does not know equinox modules.
    return optax.scale_by_rms(decay, eps, eps_in_sqrt=True)


def _gradient(
    config: Config,
    model: Model,
    key: Key[Array, ""],
    start: Array,
    x: Array,
    batch_size: Int[Array, ""],
) -> tuple[Array, Gradient]:
    """The end of the chain from `start`, and the gradient on a mini-batch."""
    if config.estimator == "averaged":
        draws = horizon.draw(model, key, config.chain_length)
        support = horizon.support_of_draws(model, draws)
        sums = sum_batch(support, key, x, batch_size)
        return start, horizon.averaged_from_sums(
            model, draws, support, sums, config.horizon, config.score
        )
    x_end, trajectory = _sample_chain(config, model, key, start)
    support = support_of(model, trajectory)
    sums = sum_batch(support, key, x, batch_size)
    if config.horizon == 1:
        found = gradient_from_sums(model, trajectory, support, sums, config.score)
    else:
        found = traces.trajectory_from_sums(
            model,
            trajectory,
            support,
            sums,
            config.horizon,
            config.trace,
            config.score,
        )
    return x_end, found


def _sample_chain(config: Config, model: Model, key: Key[Array, ""], x: Array):
    def scan(model, key, x):
        return chain.sample_chain(model, key, x, config.chain_length)

    def in_parallel(model, key, x):
        return parallel.sample_chain(model, key, x, config.chain_length)

    if config.sampler == "auto":
        if model.latent.num_states > PARALLEL_STATES:
            return scan(model, key, x)
        return jax.lax.platform_dependent(model, key, x, cpu=scan, default=in_parallel)
    return (scan if config.sampler == "scan" else in_parallel)(model, key, x)
