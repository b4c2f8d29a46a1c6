"""Training of the RBM by persistent contrastive divergence, or with the exact gradient.

The counterpart of `training`: the same start, chain, mini-batches and RMSprop, one
member of an ensemble at a time, and random numbers that depend on its key alone.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from ..annotations import check_settings, checked
from ..chain import sample_chain
from ..checks import check_batches, check_count, check_points, check_rate
from ..latent import Latent
from ..linear import contract
from ..minibatch import sum_chunks
from ..model import bernoulli_normaliser, init_model
from ..training import StepInfo, rmsprop
from . import rbm as law
from .rbm import Moments, Parameters, Rbm

Negative = Literal["chain", "exact"]
"""The law of z in the negative phase: occupancy of the persistent chain, or p_bar."""


class Config(eqx.Module):
    """What is fixed at compilation.

    `chain_length`, T double steps a gradient step; `negative`, `"chain"` for PCD or
    `"exact"` for the gradient itself, of enumerable latents; `decay` and `eps` (inside
    the root) of RMSprop; `rate_steps`, the steps after which the learning rate
    eta / (1 + (step / rate_steps)^2) is half of eta; `log_weight_rate`, the share of it
    for the log weights of one-hot states (`coordinates`). Between well separated states
    a reversible chain hardly moves, its occupancy is far from p_bar for thousands of
    steps, and a faster rate follows it (docs/baselines.md).

    **Raises:** `ValueError` for an unknown `negative` or numbers out of range.
    """

    chain_length: int = eqx.field(static=True, default=48)
    negative: Negative = eqx.field(static=True, default="chain")
    decay: float = eqx.field(static=True, default=0.9)
    eps: float = eqx.field(static=True, default=1e-8)
    rate_steps: float = eqx.field(static=True, default=float("inf"))
    log_weight_rate: float = eqx.field(static=True, default=0.01)

    def __check_init__(self):
        check_settings(self)
        check_count("chain_length", self.chain_length, 1, "double step")
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay={self.decay}: expected 0 <= decay < 1")
        for name in ("eps", "rate_steps", "log_weight_rate"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name}={value}: expected a positive number")


class State(eqx.Module):
    """All that training carries from one gradient step to the next.

    `x` is the end of the persistent chain, `key` the member's own and never changed
    (step k uses `fold_in(key, k)`), `learning_rate` eta.
    """

    rbm: Rbm
    optimizer: optax.OptState
    x: Bool[Array, " D"]
    key: Key[Array, ""]
    step: Int[Array, ""]
    learning_rate: Float[Array, ""]


class Sums(eqx.Module):
    """The positive phase, and the mean of ln (Z p(x)) over a mini-batch in nats."""

    moments: Moments
    log_weight: Float[Array, ""]


@checked
def init(
    key: Key[Array, ""],
    latent: Latent,
    x: Shaped[Array, "N D"],
    config: Config | None = None,
    learning_rate: Float[Array, ""] | float = 0.1,
) -> State:
    """The state before the first step: w and a of `init_model`, chain at the data mean.

    a_bar makes p_bar uniform over one-hot states, and a Bernoulli unit as likely on as
    off while the others are off.

    **Arguments:** the member's typed `key`; `latent`; data `x` of zeros and ones;
    `config`; `learning_rate`, eta.

    **Raises:** `ValueError` when `x` has no points or is not of zeros and ones, for a
    negative `learning_rate`, or for a `latent` that no RBM has.
    """
    check_rate("learning_rate", learning_rate)
    model_key, chain_key, train_key = jax.random.split(key, 3)
    model = init_model(model_key, latent, x)
    w, a = model.parameters.w, model.parameters.a
    uniform = -_offset(w, a, model.x_mean)
    if not latent.absorbs_visible_bias:
        uniform = uniform + bernoulli_normaliser(a)
    rbm = Rbm(Parameters(w, a, uniform), model.x_mean, latent)
    config = config or Config()
    return State(
        rbm=rbm,
        optimizer=rmsprop(config.decay, config.eps).init(rbm.parameters),
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
    """One gradient step: positive phase on a mini-batch, negative phase, RMSprop.

    The mini-batch is drawn with replacement from the data. The step is taken in
    `coordinates`.

    **Arguments:** `state`; data `x`; `batch_size`, at least 1, any traced integer.

    **Returns:** the next state and a `StepInfo`, whose likelihood is exact on the
    mini-batch, and nan for latent spaces that are not enumerable.

    **Raises:** `ValueError` for the exact negative phase of such a space, when `x` has
    no points, or for a known `batch_size` below 1.
    """
    check_points("x", x)
    check_batches("batch_size", batch_size)
    rbm, key = state.rbm, jax.random.fold_in(state.key, state.step)
    x_end, negative = _negative_phase(config, rbm, key, state.x)
    sums = sum_batch(rbm, key, x, batch_size)
    gradient = law.gradient(rbm, sums.moments, negative)

    position = coordinates(rbm)
    _, pull_back = jax.vjp(lambda c: from_coordinates(rbm, c).parameters, position)
    (slope,) = pull_back(gradient)
    direction, optimizer = rmsprop(config.decay, config.eps).update(
        slope, state.optimizer
    )
    rate = state.learning_rate / (1 + (state.step / config.rate_steps) ** 2)
    share = config.log_weight_rate if rbm.latent.absorbs_visible_bias else 1.0
    moved = Parameters(
        w=position.w + rate * direction.w,
        a=position.a + rate * direction.a,
        a_bar=position.a_bar + share * rate * direction.a_bar,
    )

    log_likelihood = jnp.full_like(sums.log_weight, jnp.nan)
    if rbm.latent.enumerable:
        log_likelihood = sums.log_weight - law.log_partition(rbm)
    finite = jax.tree.map(lambda leaf: jnp.all(jnp.isfinite(leaf)), gradient)
    return State(
        rbm=from_coordinates(rbm, moved),
        optimizer=optimizer,
        x=x_end,
        key=state.key,
        step=state.step + 1,
        learning_rate=state.learning_rate,
    ), StepInfo(log_likelihood, jnp.all(jnp.stack(jax.tree.leaves(finite))))


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
def coordinates(rbm: Rbm) -> Parameters:
    """The parameters in which training moves: for one-hot states, ln weights for a_bar.

    `latent_log_weight` in place of a_bar, so that a step of w moves what a state
    generates and not how often: in a_bar the gradient of w_b is r_b (m_b - x_mean) -
    p_bar_b (mu_b - x_mean), here r_b (m_b - mu_b). Bernoulli units keep a_bar.
    """
    p = rbm.parameters
    if not rbm.latent.absorbs_visible_bias:
        return p
    return Parameters(p.w, p.a, p.a_bar + _offset(p.w, p.a, rbm.x_mean))


@checked
def from_coordinates(rbm: Rbm, position: Parameters) -> Rbm:
    """The RBM with these `coordinates`, and the mean and latent space of `rbm`."""
    if rbm.latent.absorbs_visible_bias:
        # The visible bias is redundant: it has no slope along the coordinates either.
        a = jax.lax.stop_gradient(position.a)
        shift = _offset(position.w, a, rbm.x_mean)
        position = Parameters(position.w, position.a, position.a_bar - shift)
    return Rbm(position, rbm.x_mean, rbm.latent)


@checked
def sum_batch(
    rbm: Rbm, key: Key[Array, ""], x: Shaped[Array, "N D"], batch_size: Int[Array, ""]
) -> Sums:
    """The sums over a mini-batch (`minibatch.sum_chunks`)."""

    def sums_of(points, weights):
        return Sums(
            law.data_moments(rbm, points, weights),
            contract(weights, law.log_weight(rbm, points)),
        )

    p = rbm.parameters
    zeros = jax.tree.map(
        jnp.zeros_like, Sums(Moments(p.w, p.a, p.a_bar), rbm.x_mean[0])
    )
    return sum_chunks(sums_of, zeros, key, x, batch_size)


def _negative_phase(
    config: Config, rbm: Rbm, key: Key[Array, ""], x: Array
) -> tuple[Array, Moments]:
    """The end of the chain, and the moments of the model or their estimate."""
    latent = rbm.latent
    if config.negative == "exact":
        return x, law.latent_moments(rbm, latent.states(), law.occupancy(rbm))
    x_end, trajectory = sample_chain(law.to_model(rbm), key, x, config.chain_length)
    if latent.enumerable:
        # E[z|x(t)] in place of z(t), then E[x|z]: averages of less variance.
        share = jnp.mean(jnp.exp(latent.log_probs(trajectory.h)), axis=0)
        return x_end, law.latent_moments(rbm, latent.states(), share)
    equal = jnp.full(config.chain_length, 1 / config.chain_length, rbm.x_mean.dtype)
    return x_end, law.latent_moments(rbm, trajectory.z, equal)


def _offset(w: Array, a: Array, x_mean: Array) -> Float[Array, " L"]:
    """`latent_log_weight` of the states with one bit on, at a_bar = 0."""
    return bernoulli_normaliser(w.T + a[None]) - contract(x_mean, w)
