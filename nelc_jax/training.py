"""Training by stochastic ascent of the log-likelihood: one loop for every rule.

A *rule* says how a model learns: `init` makes the `State` before the first step, `step`
takes one gradient step. `train` repeats it; `ensemble` maps it over members. The rules
themselves are in `rules`; optimisers are optax's.
"""

import functools
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from ._checks import (
    check_batches,
    check_class,
    check_count,
    check_kinds,
    check_rate,
    checked,
)
from ._loops import scan
from .latent import AbstractLatent
from .model import Model

__all__ = [
    "AbstractRule",
    "State",
    "StepInfo",
    "batch_schedule",
    "freeze",
    "parameters_named",
    "rmsprop",
    "set_learning_rate",
    "train",
]


class State(eqx.Module):
    """All that training carries from one gradient step to the next.

    `model` has the parameters that are learned; `optimizer`, what optax keeps of them;
    `x`, the end of the persistent chain, or of each of several; `key`, the member's
    own, never changed (step k uses `fold_in(key, k)`); `step`, k.
    """

    model: Any
    optimizer: optax.OptState
    x: Bool[Array, "*c D"]
    key: Key[Array, ""]
    step: Int[Array, ""]


class StepInfo(eqx.Module):
    """What one gradient step reports.

    `log_likelihood`, of its mini-batch before the update, in nats a point; `finite`,
    False once a number that the parameters depend on is not.
    """

    log_likelihood: Float[Array, ""]
    finite: Bool[Array, ""]


class AbstractRule(eqx.Module):
    """How a model with the latent space `latent` learns.

    Fields are static settings, so that a rule is hashable and part of the compiled
    program. `model` and `occupancy` are what measurements need of a state.
    """

    latent: eqx.AbstractVar[AbstractLatent]

    @abstractmethod
    def init(self, key: Key[Array, ""], x: Shaped[Array, "N D"]) -> State:
        """The state of one member before the first step, from its key and the data."""

    @abstractmethod
    def step(
        self, state: State, x: Shaped[Array, "N D"], batch_size: Int[Array, ""]
    ) -> tuple[State, StepInfo]:
        """One gradient step on a mini-batch of `batch_size` points of the data."""

    def steps(
        self, state: State, x: Shaped[Array, "N D"], batch_sizes: Int[Array, " K"]
    ) -> tuple[State, StepInfo]:
        """K calls of `step`, for a rule to replace that knows a faster way."""

        def body(state, batch_size):
            return self.step(state, x, batch_size)

        return scan(body, state, batch_sizes)

    def runs_natively(self, model: Model, x: Shaped[Array, "N D"]) -> bool:
        """Whether `steps` of such a model on such data are done in C on a CPU.

        **Arguments:** shapes and types are enough.
        """
        return False

    def model(self, state: State) -> Model:
        """The two conditionals that the state stands for."""
        return state.model

    def occupancy(self, state: State) -> Float[Array, " S"] | None:
        """p_bar where a formula has it; None where only the latent kernel does."""
        return None


@checked
def train(
    rule: AbstractRule,
    state: State,
    x: Shaped[Array, "N D"],
    batch_sizes: Int[Array, " K"],
) -> tuple[State, StepInfo]:
    """K gradient steps of one member by `scan`, one for each of `batch_sizes`.

    **Returns:** the last state, and the `StepInfo` of every step (leading axis K).

    **Raises:** `ValueError` when `x` has no points, or for a known batch size below 1.
    """
    check_batches("batch_sizes", batch_sizes)

    return rule.steps(state, x, batch_sizes)


@checked
def batch_schedule(first: int, last: int, num_epochs: int) -> np.ndarray:
    """Mini-batch sizes growing linearly from `first` to `last`, one an epoch.

    The paper: 16 to 160 over 120 epochs (Sect. IV A). Rounded to the nearest integer.

    **Raises:** `ValueError` for a number below 1.
    """
    check_count("first", first, 1, "data point")
    check_count("last", last, 1, "data point")
    check_count("num_epochs", num_epochs, 1, "epoch")
    return np.rint(np.linspace(first, last, num_epochs)).astype(np.int32)


@checked
def freeze(
    old: State, new: State, finite: Bool[Array, ""] | Bool[Array, " K"]
) -> State:
    """The new state of one member, or the old one where a number is not finite.

    A number of the steps between (`StepInfo.finite`) or of the new model; of the new
    optimiser one that is nan. After every step, or every call of `train`, it keeps the
    last state that is known to be sound, whose `step` stays behind.

    **Arguments:** states before and after K steps, and `finite` of these, or of the one
    step. Members of an ensemble by `vmap`.
    """
    model, optimizer = (
        jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))
        for tree in (new.model, new.optimizer)
    )
    # An optimiser may keep the best of no values yet, which is infinite.
    sound = [jnp.all(jnp.isfinite(array)) for array in model]
    sound += [~jnp.any(jnp.isnan(array)) for array in optimizer]
    all_sound = functools.reduce(jnp.logical_and, sound, jnp.all(finite))
    return jax.tree.map(functools.partial(jnp.where, all_sound), new, old)


def rmsprop(
    learning_rate: float | optax.Schedule = 0.1, decay: float = 0.9, eps: float = 1e-8
) -> optax.GradientTransformation:
    """The paper's RMSprop (Sect. IV A), with `eps` inside of the root.

    The rate is an array in the optimiser's state, which `set_learning_rate` and
    `ensemble.init` set without compiling anything. Equal arguments give the same
    object, so that rules made with them are equal too.

    **Raises:** `ValueError` for a rate that is negative or not one number, a decay
    outside [0, 1), or an eps that is not positive.
    """
    if not callable(learning_rate):
        if np.ndim(learning_rate) > 0:
            raise ValueError(
                f"learning_rate.shape={np.shape(learning_rate)}: expected one number; "
                "a rate each of several members goes to ensemble.init"
            )
        check_rate("learning_rate", learning_rate)
        learning_rate = float(learning_rate)
    check_kinds([("decay", decay, float), ("eps", eps, float)])
    if not 0 <= decay < 1:
        raise ValueError(f"decay={decay}: expected 0 <= decay < 1")
    if not eps > 0:
        raise ValueError(f"eps={eps}: expected a positive number")
    return _rmsprop(learning_rate, float(decay), float(eps))


class _RmsProp(optax.GradientTransformationExtraArgs):
    """Optax's RMSprop that tells its settings, for programs that have it built in."""

    decay: float
    eps: float


def rmsprop_settings(
    optimizer: optax.GradientTransformation,
) -> tuple[float, float] | None:
    """`decay` and `eps` of an optimiser that `rmsprop` made with a number as rate."""
    if isinstance(optimizer, _RmsProp):
        return optimizer.decay, optimizer.eps
    return None


@functools.cache
def _rmsprop(
    learning_rate: float | optax.Schedule, decay: float, eps: float
) -> optax.GradientTransformation:
    def with_rate(learning_rate):
        return optax.rmsprop(learning_rate, decay, eps, eps_in_sqrt=True)

    made = optax.inject_hyperparams(with_rate)(learning_rate)
    if callable(learning_rate):
        return made
    told = _RmsProp(*made)
    told.decay, told.eps = decay, eps
    return told


def set_learning_rate(state: State, learning_rate: Float[Array, "*M"] | float) -> State:
    """The state with another learning rate, of one member or one each of several.

    **Raises:** `TypeError` for arguments of another kind; `ValueError` for a known rate
    that is negative or not finite, a number of rates that is not that of the members,
    or an optimiser that keeps no `learning_rate` in its state, or follows a schedule.
    """
    check_class("state", state, State)
    check_rate("learning_rate", learning_rate)
    kept = optax.tree_utils.tree_get_all_with_path(state.optimizer, "learning_rate")
    rates = [rate for _, rate in kept]
    # A schedule has a state of that name too, and overrides the rate at each step.
    if not rates or not all(eqx.is_array(rate) for rate in rates):
        raise ValueError(
            "learning_rate: expected an optimiser that keeps its rate in its state and "
            "has no schedule for it, as rmsprop(0.1) or "
            "optax.inject_hyperparams(optax.adam)(0.1)"
        )
    # In its own precision, which a step gives back.
    rate = jnp.asarray(learning_rate, rates[0].dtype)
    if rate.shape != state.step.shape[state.step.ndim - rate.ndim :]:
        raise ValueError(
            f"learning_rate.shape={rate.shape}: expected () or {state.step.shape}, one "
            "number or one for each member"
        )
    rate = jnp.broadcast_to(rate, state.step.shape)
    # Beside the rest of the state: from another place, a program is compiled again.
    if not isinstance(rates[0], jax.core.Tracer) and rates[0].committed:
        rate = jax.device_put(rate, rates[0].sharding)
    optimizer = optax.tree_utils.tree_set(state.optimizer, learning_rate=rate)
    return eqx.tree_at(lambda s: s.optimizer, state, optimizer)


def parameters_named(*names: str) -> Callable[[Any], Any]:
    """A mask of some parameters by name, as `optax.masked` takes it.

    `optax.masked(optax.scale(0.1), parameters_named("w_bar", "a_bar"))` in a chain
    after an optimiser makes these learn at a tenth of the rate.
    """

    def mask(parameters: Any) -> Any:
        chosen = [field.name in names for field in fields(parameters)]
        return jax.tree.unflatten(jax.tree.structure(parameters), chosen)

    return mask
