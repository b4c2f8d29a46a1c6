"""Recipes: what an ensemble does between epochs, beside training by its rule."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from nelc_jax import AbstractLatent, Cycles, Model, split_merge
from nelc_jax.model import Parameters
from nelc_jax.training import AbstractRule, State, StepInfo, set_learning_rate

DECAY = 0.99
"""Of RMSprop: a longer memory of squared gradients, for pixels that are rarely on."""

FALL = 0.2
"""The share of the learning rate that is left in the last epoch."""

SEARCH = 1 / 3
"""The part of training after which states are exchanged."""

AVERAGED = 1 / 6
"""The part of training whose epochs' ends are averaged, the last."""


class Recipe(AbstractRule):
    """A rule that also does something at the end of every epoch."""

    @abstractmethod
    def end_epoch(
        self, state: State, number: jax.Array, key: jax.Array, x: jax.Array
    ) -> State:
        """The state after epoch `number`, from 1, with a `key` of its own."""


class _Averaged(NamedTuple):
    """What the rule's optimiser keeps, and the average of the ends of `epochs`."""

    inner: optax.OptState
    average: Parameters
    epochs: jax.Array


class Best(Recipe):
    """Models at the best of their mixture's optima, without the noise of training.

    The rule's steps, and after a third of `epochs` one `split_merge`; from there the
    rate falls to a fifth. The model is the average of the ends of the last sixth of the
    epochs, once these have begun.
    """

    latent: AbstractLatent = eqx.field(static=True)
    rule: Cycles = eqx.field(static=True)
    learning_rate: float = eqx.field(static=True)
    epochs: int = eqx.field(static=True)

    def __init__(self, rule: Cycles, learning_rate: float, epochs: int):
        self.latent = rule.latent
        self.rule, self.learning_rate, self.epochs = rule, learning_rate, epochs

    def init(self, key: jax.Array, x: jax.Array) -> State:
        """The rule's, with an average of nothing."""
        begun = self.rule.init(key, x)
        return _with(begun, lambda inner, p: _Averaged(inner, p, jnp.int32(0)))

    def step(
        self, state: State, x: jax.Array, batch_size: jax.Array
    ) -> tuple[State, StepInfo]:
        """The rule's."""
        state, info = self.steps(state, x, batch_size[None])
        return state, jax.tree.map(lambda array: array[0], info)

    def steps(
        self, state: State, x: jax.Array, batch_sizes: jax.Array
    ) -> tuple[State, StepInfo]:
        """The rule's."""
        kept: Any = state.optimizer
        moved, info = self.rule.steps(
            _with(state, lambda k, _: k.inner), x, batch_sizes
        )
        return _with(moved, lambda inner, _: kept._replace(inner=inner)), info

    def runs_natively(self, model: Model, x: jax.Array) -> bool:
        """Whether the rule's steps are done in C on a CPU."""
        return self.rule.runs_natively(model, x)

    def model(self, state: State) -> Model:
        """That of the average, where there is one."""
        kept: Any = state.optimizer
        parameters = jax.tree.map(
            lambda average, now: jnp.where(kept.epochs > 0, average, now),
            kept.average,
            state.model.parameters,
        )
        return Model(parameters, state.model.x_mean, state.model.latent)

    def end_epoch(
        self, state: State, number: jax.Array, key: jax.Array, x: jax.Array
    ) -> State:
        """States exchanged, the rate of the next epoch, and the average."""
        search, averaged = self._epoch(SEARCH), self._epoch(1 - AVERAGED)
        model = jax.lax.cond(
            number == search,
            lambda model: split_merge(key, model, x),
            lambda model: model,
            state.model,
        )
        part = (number.astype(float) - search) / max(self.epochs - 1 - search, 1)
        rate = self.learning_rate * FALL ** jnp.clip(part, 0, 1)
        state = eqx.tree_at(lambda s: s.model, set_learning_rate(state, rate), model)

        def add(kept, now):
            count = kept.epochs + (number > averaged)
            share = 1 / jnp.maximum(count, 1).astype(float)
            average = jax.tree.map(
                lambda average, p: jnp.where(
                    number > averaged, average + share * (p - average), p
                ),
                kept.average,
                now,
            )
            return _Averaged(kept.inner, average, count)

        return _with(state, add)

    def _epoch(self, part: float) -> int:
        """The epoch that ends a part of the training."""
        return round(part * self.epochs)


def _with(state: State, change) -> State:
    """The state with what its optimiser keeps changed."""
    kept = change(state.optimizer, state.model.parameters)
    return State(state.model, kept, state.x, state.key, state.step)
