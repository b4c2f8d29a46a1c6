"""The compiled programs of an ensemble: begin, train an epoch, measure."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.compilation import Effort, Program
from experiments.runs.checkpoint import name_arrays, restore_arrays
from experiments.training.measure import (
    Likelihood,
    Measured,
    measure,
    measure_epoch,
)
from experiments.training.recipes import Recipe
from nelc_jax import Model, ensemble, train
from nelc_jax.training import AbstractRule, State, freeze


class Ensemble:
    """The compiled programs for some members of an ensemble, on this process's devices.

    The members are filled up to `size`, so that groups of several sizes share the
    programs, with copies of the last that are dropped from every result. They start
    from `states`, named arrays that `states()` gave, or else from the beginning.
    """

    def __init__(
        self,
        seed: int,
        numbers: np.ndarray,
        size: int,
        rule: AbstractRule,
        x: np.ndarray,
        states: dict[str, np.ndarray] | None = None,
    ):
        self._rule = rule
        self.numbers = numbers
        self._rows = np.minimum(np.arange(size), len(numbers) - 1)
        self._members = jnp.asarray(numbers[self._rows])
        self._seed = np.uint32(seed)
        self._x = jnp.asarray(x)
        model = jax.eval_shape(rule.model, state_structure(rule, x))
        native = rule.runs_natively(model, self._x)
        self._effort = Effort.LESS if native else Effort.ALL
        if states is None:
            self._states = _init(
                rule, self._members, self._seed, self._x, effort=Effort.LEAST
            )
        else:
            rows = {n: jnp.asarray(array[self._rows]) for n, array in states.items()}
            self._states = _spread(restore_arrays(rows, state_structure(rule, x)))

    def epoch(self, number: int, batch_sizes: np.ndarray):
        """Train one epoch; a member that goes non-finite in it stays at its beginning.

        After several, at that of the first such epoch.
        Returns the step infos and summaries of the models, and sigma's error and bias
        (None where latent states are sampled).
        """
        self._states, info, summary, *spread = _epoch(
            self._rule,
            self._states,
            self._members,
            self._seed,
            np.uint32(number),
            self._x,
            batch_sizes,
            effort=self._effort,
        )
        return self._own((info, summary, tuple(spread)))

    def measure(self) -> Measured | Likelihood:
        """The final measures of the models."""
        return self._own(
            _measure(
                self._rule,
                self._states,
                self._members,
                self._seed,
                self._x,
                effort=self._effort,
            )
        )

    def models(self) -> tuple[Model, np.ndarray]:
        """The models' parameters, and the ends of their persistent chains."""
        models = jax.vmap(self._rule.model)(self._states)
        return self._own((models, jax.vmap(_end)(self._states)))

    def diverged_in(self, epochs: int, steps_per_epoch: int) -> np.ndarray:
        """After so many epochs, the one in which each went non-finite, or 0."""
        done = self._own(self._states.step) // steps_per_epoch
        return np.where(done < epochs, done + 1, 0)

    def states(self) -> dict[str, np.ndarray]:
        """All that training carries from one epoch to the next, by name."""
        return self._own(name_arrays(self._states))

    def _own(self, tree):
        """The rows of the members, as NumPy arrays without the padding."""
        return jax.tree.map(lambda array: np.asarray(array)[: len(self.numbers)], tree)


def state_structure(rule: AbstractRule, x: np.ndarray) -> Any:
    """Shapes and types of the state of one member, without computing anything."""
    data = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.eval_shape(rule.init, jax.random.key(0), data)


def known_occupancy(rule: AbstractRule, x: np.ndarray) -> bool:
    """Whether the rule has a formula for p_bar."""
    return jax.eval_shape(rule.occupancy, state_structure(rule, x)) is not None


def _keys(seed: jax.Array):
    """Independent keys for the training and for the measurements of an ensemble."""
    return jax.random.split(jax.random.key(seed))


@partial(Program, static_argnums=0)
def _init(rule, members, seed, x):
    def one(member, seed, x):
        key = jax.random.fold_in(_keys(seed)[0], member)
        return rule.init(key, x)

    return ensemble.map_members(one, 1)(members, seed, x)


@jax.jit
def _spread(states):
    """States from a file where the other programs leave theirs: none compiles again."""
    return ensemble.map_members(lambda state: state, 1)(states)


@partial(Program, static_argnums=0, donate_argnums=1)
def _epoch(rule, states, members, seed, number, x, batch_sizes):
    def one(state, member, seed, number, x, batch_sizes):
        # Epochs count from 1. A frozen member is behind, and is not tried again.
        begun = (number.astype(state.step.dtype) - 1) * len(batch_sizes)
        running = state.step == begun
        trained, info = train(rule, state, x, batch_sizes)
        if isinstance(rule, Recipe):
            # Measurements have the epoch's number, from 1 and 0 for the last.
            between = jax.random.fold_in(
                jax.random.fold_in(_keys(seed)[1], ~number), member
            )
            trained = rule.end_epoch(trained, number, between, x)
        state = freeze(state, trained, info.finite & running)
        key = jax.random.fold_in(jax.random.fold_in(_keys(seed)[1], number), member)
        model, p_bar = rule.model(state), rule.occupancy(state)
        return state, info, *measure_epoch(model, key, x, p_bar, number, _end(state))

    mapped = ensemble.map_members(one, 2)
    return mapped(states, members, seed, number, x, batch_sizes)


@partial(Program, static_argnums=0)
def _measure(rule, states, members, seed, x):
    def one(state, member, seed, x):
        model, p_bar = rule.model(state), rule.occupancy(state)
        return measure(model, _final_key(seed, member), _end(state), x, p_bar)

    return ensemble.map_members(one, 2)(states, members, seed, x)


def _end(state: State) -> jax.Array:
    """The end of the persistent chain, of several that of the last."""
    return state.x.reshape(-1, state.x.shape[-1])[-1]


def _final_key(seed: jax.Array, member: jax.Array) -> jax.Array:
    # Epochs count from 1, so that 0 is left for the final measurement.
    return jax.random.fold_in(jax.random.fold_in(_keys(seed)[1], 0), member)


def measure_again(
    models: Model,
    starts: np.ndarray,
    p_bar: np.ndarray | None,
    numbers: np.ndarray,
    seed: int,
    x: np.ndarray,
) -> Measured | Likelihood:
    """The final measures of models that were trained before, with the same draws.

    **Arguments:** `models` and the ends of their chains, `starts`, with a leading axis;
    `p_bar` where a formula has it; `numbers` and `seed` of the ensemble; data `x`.
    """
    measured = _measure_models(models, starts, p_bar, numbers, np.uint32(seed), x)
    return jax.tree.map(np.asarray, measured)


@jax.jit
def _measure_models(models, starts, p_bar, members, seed, x):
    def one(model, start, p_bar, member, seed, x):
        return measure(model, _final_key(seed, member), start, x, p_bar)

    mapped = ensemble.map_members(one, 4)
    return mapped(models, starts, p_bar, members, seed, x)
