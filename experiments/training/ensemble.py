"""Train an ensemble epoch by epoch: a host loop around compiled chunks."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from tqdm import tqdm

from experiments.command.errors import UserError
from experiments.runs.checkpoint import name_arrays, restore_arrays
from experiments.runs.progress import HISTORY_COLUMNS, Progress, Schedule, Trained
from experiments.training.measure import Measured, measure, measure_epoch
from experiments.training.trainers import Trainer
from nelc_jax import ensemble
from nelc_jax.diagnostics.summary import Summary
from nelc_jax.model import Model


class Ensemble:
    """The compiled programs for some members of an ensemble, on this process's devices.

    The members are padded to `size`, and that to a multiple of the devices, with
    members that are trained like the others and dropped from every result. They start
    from `states`, named arrays that `states()` gave, or else from the beginning.
    """

    def __init__(
        self,
        seed: int,
        numbers: np.ndarray,
        size: int,
        trainer: Trainer,
        x: np.ndarray,
        learning_rate: float,
        states: dict[str, np.ndarray] | None = None,
    ):
        self._mesh = ensemble.member_mesh(size)
        self._trainer = trainer
        self._padded = size + -size % self._mesh.size
        self.numbers = numbers
        self._members = self._put_rows(numbers)
        self._seed = np.uint32(seed)
        self._x = self._put(x)
        if states is None:
            self._states = _init(
                self._mesh,
                self._trainer,
                learning_rate,
                self._members,
                self._seed,
                self._x,
            )
        else:
            self._states = restore_arrays(
                {name: self._put_rows(array) for name, array in states.items()},
                state_structure(trainer, x),
            )

    def epoch(self, number: int, batch_sizes: np.ndarray):
        """Train one epoch.

        Returns the step infos and summaries of the models, and sigma's error and bias.
        """
        self._states, info, summary, *spread = _epoch(
            self._mesh,
            self._trainer,
            self._states,
            self._members,
            self._seed,
            np.uint32(number),
            self._x,
            batch_sizes,
        )
        return self._own((info, summary, tuple(spread)))

    def measure(self) -> Measured:
        """The final measures of the models."""
        return self._own(
            _measure(
                self._mesh,
                self._trainer,
                self._states,
                self._members,
                self._seed,
                self._x,
            )
        )

    def models(self) -> tuple[Model, np.ndarray]:
        """The models' parameters, and the ends of their persistent chains."""
        models = jax.vmap(self._trainer.model)(self._states)
        return self._own((models, self._states.x))

    def states(self) -> dict[str, np.ndarray]:
        """All that training carries from one epoch to the next, by name."""
        return self._own(name_arrays(self._states))

    def _put(self, array: np.ndarray, *axes: str) -> jax.Array:
        sharding = NamedSharding(self._mesh, PartitionSpec(*axes))
        return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)

    def _put_rows(self, array: np.ndarray) -> jax.Array:
        """An array with a leading axis over the members, padded with its last row."""
        rows = np.minimum(np.arange(self._padded), len(self.numbers) - 1)
        return self._put(array[rows], ensemble.AXIS)

    def _own(self, tree):
        """The rows of the members, as NumPy arrays without the padding."""
        return jax.tree.map(lambda array: np.asarray(array)[: len(self.numbers)], tree)


def state_structure(trainer: Trainer, x: np.ndarray) -> Any:
    """Shapes and types of the state of one member, without computing anything."""
    data = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.eval_shape(trainer.init, jax.random.key(0), data, 0.1)


def _keys(seed: jax.Array):
    """Independent keys for the training and for the measurements of an ensemble."""
    return jax.random.split(jax.random.key(seed))


@partial(jax.jit, static_argnums=(0, 1))
def _init(mesh, trainer, learning_rate, members, seed, x):
    def one(member, seed, x):
        key = jax.random.fold_in(_keys(seed)[0], member)
        return trainer.init(key, x, learning_rate)

    return ensemble.map_members(one, 1, mesh)(members, seed, x)


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _epoch(mesh, trainer, states, members, seed, number, x, batch_sizes):
    def one(state, member, seed, number, x, batch_sizes):
        state, info = trainer.train(state, x, batch_sizes)
        key = jax.random.fold_in(jax.random.fold_in(_keys(seed)[1], number), member)
        model, p_bar = trainer.model(state), trainer.occupancy(state)
        return state, info, *measure_epoch(model, key, x, p_bar, number)

    mapped = ensemble.map_members(one, 2, mesh)
    return mapped(states, members, seed, number, x, batch_sizes)


@partial(jax.jit, static_argnums=(0, 1))
def _measure(mesh, trainer, states, members, seed, x):
    def one(state, member, seed, x):
        model, p_bar = trainer.model(state), trainer.occupancy(state)
        return measure(model, _final_key(seed, member), state.x, x, p_bar)

    return ensemble.map_members(one, 2, mesh)(states, members, seed, x)


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
) -> Measured:
    """The final measures of models that were trained before, with the same draws.

    **Arguments:** `models` and the ends of their chains, `starts`, with a leading axis;
    `p_bar` where a formula has it; `numbers` and `seed` of the ensemble; data `x`.
    """
    mesh = ensemble.member_mesh(math.gcd(len(numbers), jax.local_device_count()))
    measured = _measure_models(mesh, models, starts, p_bar, numbers, np.uint32(seed), x)
    return jax.tree.map(np.asarray, measured)


@partial(jax.jit, static_argnums=0)
def _measure_models(mesh, models, starts, p_bar, members, seed, x):
    def one(model, start, p_bar, member, seed, x):
        return measure(model, _final_key(seed, member), start, x, p_bar)

    mapped = ensemble.map_members(one, 4, mesh)
    return mapped(models, starts, p_bar, members, seed, x)


def train_ensemble(
    members: Ensemble,
    schedule: Schedule,
    after_epoch: Callable[[Progress], None],
    name: str = "training",
    begun: Progress | None = None,
) -> Trained:
    """Train with a progress bar, from the beginning or on; measure at the end.

    **Arguments:** `after_epoch` is told of the progress after every epoch; `name`, that
    of the progress bar; `begun`, the progress of members that were trained before.

    **Raises:** `UserError` naming the model and step where a number went non-finite.
    """
    sizes = schedule.batch_sizes()
    progress = begun or Progress()
    started = time.perf_counter() - progress.seconds
    first = progress.epoch
    with tqdm(
        total=schedule.epochs,
        initial=first,
        unit="epoch",
        desc=name,
        disable=jax.process_index() != 0,
    ) as bar:
        for epoch, size in enumerate(sizes[first:], first + 1):
            info, summary, spread = members.epoch(
                epoch, np.full(schedule.steps_per_epoch, size)
            )
            _check_finite(
                info.finite, members.numbers, (epoch - 1) * schedule.steps_per_epoch
            )
            row = _history_row(epoch, members.numbers, info, summary, spread)
            seconds = time.perf_counter() - started
            progress = Progress(epoch, [*progress.rows, row], seconds)
            bar.set_postfix_str(
                f"L = {summary.log_likelihood.mean():.2f} nats, "
                f"sigma = {summary.entropy_production_rate.mean():.2f} nats/step"
            )
            bar.update()
            after_epoch(progress)
    trained = time.perf_counter()
    measured = members.measure()
    seconds = {
        "training": progress.seconds,
        "measuring": time.perf_counter() - trained,
    }
    return Trained(
        members.numbers, *members.models(), progress.history(), measured, seconds
    )


def _check_finite(finite: np.ndarray, numbers: np.ndarray, first_step: int):
    if not finite.all():
        step = int(np.argmin(finite.all(axis=0)))
        model = numbers[np.argmin(finite[:, step])]
        raise UserError(
            f"model {model} went non-finite at gradient step {first_step + step + 1}: "
            "lower --learning-rate; what was saved before is kept"
        )


def _history_row(
    epoch: int, numbers: np.ndarray, info, summary: Summary, spread
) -> dict[str, np.ndarray]:
    columns = (
        np.full(len(numbers), epoch),
        numbers,
        summary.log_likelihood,
        info.log_likelihood.mean(axis=1),
        summary.entropy_production_rate,
        *spread,
        summary.relaxation_time,
        summary.mean_self_transition,
        summary.min_occupancy,
    )
    return dict(zip(HISTORY_COLUMNS, map(np.asarray, columns), strict=True))
