"""Train an ensemble epoch by epoch: a host loop around compiled chunks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from tqdm import tqdm

from experiments.errors import UserError
from experiments.measure import Measured, measure, measure_epoch
from experiments.trainers import Trainer
from nelc_jax import ensemble, training
from nelc_jax.diagnostics.summary import Summary
from nelc_jax.model import Model

SAVE_EVERY = 10
"""Epochs between two writes of the history and the parameters."""


@dataclass(frozen=True)
class Schedule:
    """How long an ensemble trains, and on how many points a step."""

    epochs: int
    steps_per_epoch: int
    batch_first: int
    batch_last: int


@dataclass(frozen=True)
class Trained:
    """Trained members: models, ends of their chains, history, final measures.

    `history` has one entry an epoch and model in every column.
    """

    numbers: np.ndarray
    model: Model
    x: np.ndarray
    history: dict[str, np.ndarray]
    measured: Measured
    seconds: dict[str, float]


def join(parts: list[Trained]) -> Trained:
    """One ensemble from groups of members that were trained in turn."""
    numbers, models, xs, histories, measured, seconds = zip(
        *(vars(part).values() for part in parts), strict=True
    )

    def concatenated(trees):
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *trees)

    history = concatenated(histories)
    order = np.lexsort((history["model"], history["epoch"]))
    return Trained(
        np.concatenate(numbers),
        concatenated(models),
        np.concatenate(xs),
        {name: column[order] for name, column in history.items()},
        concatenated(measured),
        {name: sum(part[name] for part in seconds) for name in seconds[0]},
    )


class Ensemble:
    """The compiled programs for some members of an ensemble, on all devices.

    The members are padded to `size`, and that to a multiple of the devices, with
    members that are trained like the others and dropped from every result. With several
    processes each sees its own members only (`numbers`); nothing is communicated in
    training.
    """

    def __init__(
        self,
        seed: int,
        numbers: np.ndarray,
        size: int,
        trainer: Trainer,
        x: np.ndarray,
        learning_rate: float,
    ):
        self._mesh = ensemble.member_mesh(size, jax.devices())
        self._trainer = trainer
        missing = size - len(numbers) + -size % self._mesh.size
        self._members = self._put(
            np.append(numbers, np.full(missing, numbers[-1])), ensemble.AXIS
        )
        self._real = self._put(
            np.arange(len(numbers) + missing) < len(numbers), ensemble.AXIS
        )
        self._seed = np.uint32(seed)
        self._x = self._put(x)
        self.numbers = self._own(self._members)
        self._states = _init(
            self._mesh,
            self._trainer,
            learning_rate,
            self._members,
            self._seed,
            self._x,
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

    def _put(self, array: np.ndarray, *axes: str) -> jax.Array:
        sharding = NamedSharding(self._mesh, PartitionSpec(*axes))
        return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)

    def _own(self, tree):
        """The rows of this process's devices, as NumPy arrays, without the padding."""

        def rows(array):
            shards = {
                shard.index[0].start or 0: shard.data
                for shard in array.addressable_shards
            }
            return np.concatenate([np.asarray(shards[k]) for k in sorted(shards)])

        real = rows(self._real)
        return jax.tree.map(lambda array: rows(array)[real], tree)


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
        # Epochs count from 1, so that 0 is left for the final measurement.
        key = jax.random.fold_in(jax.random.fold_in(_keys(seed)[1], 0), member)
        model, p_bar = trainer.model(state), trainer.occupancy(state)
        return measure(model, key, state.x, x, p_bar)

    return ensemble.map_members(one, 2, mesh)(states, members, seed, x)


def train_ensemble(
    members: Ensemble,
    schedule: Schedule,
    save: Callable[[dict[str, np.ndarray], Model, np.ndarray], None],
    name: str = "training",
) -> Trained:
    """Train with a progress bar, saving now and then; measure at the end.

    **Arguments:** `save(history, model, x)` is called every `SAVE_EVERY` epochs;
    `name`, that of the progress bar.

    **Raises:** `UserError` naming the model and step where a number went non-finite.
    """
    sizes = training.batch_schedule(
        schedule.batch_first, schedule.batch_last, schedule.epochs
    )
    rows: list[dict[str, np.ndarray]] = []
    started = time.perf_counter()
    quiet = jax.process_index() != 0
    with tqdm(total=schedule.epochs, unit="epoch", desc=name, disable=quiet) as bar:
        for epoch, size in enumerate(sizes):
            info, summary, spread = members.epoch(
                epoch + 1, np.full(schedule.steps_per_epoch, size)
            )
            _check_finite(
                info.finite, members.numbers, epoch * schedule.steps_per_epoch
            )
            rows.append(_history_row(epoch + 1, members.numbers, info, summary, spread))
            bar.set_postfix_str(
                f"L = {summary.log_likelihood.mean():.2f} nats, "
                f"sigma = {summary.entropy_production_rate.mean():.2f} nats/step"
            )
            bar.update()
            if (epoch + 1) % SAVE_EVERY == 0:
                save(_stack(rows), *members.models())
    trained = time.perf_counter()
    measured = members.measure()
    seconds = {
        "training": trained - started,
        "measuring": time.perf_counter() - trained,
    }
    return Trained(members.numbers, *members.models(), _stack(rows), measured, seconds)


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
    row = {
        "epoch": np.full(len(numbers), epoch),
        "model": numbers,
        "log_likelihood": summary.log_likelihood,
        "batch_log_likelihood": info.log_likelihood.mean(axis=1),
        "entropy_production_rate": summary.entropy_production_rate,
        "entropy_production_rate_error": spread[0],
        "entropy_production_rate_bias": spread[1],
        "relaxation_time": summary.relaxation_time,
        "mean_self_transition": summary.mean_self_transition,
        "min_occupancy": summary.min_occupancy,
    }
    return {name: np.asarray(column) for name, column in row.items()}


def _stack(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
