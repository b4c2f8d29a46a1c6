"""Train an ensemble epoch by epoch: a host loop around compiled chunks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from tqdm import tqdm

from experiments.errors import UserError
from nelc_jax import ensemble, training
from nelc_jax.diagnostics import transitions
from nelc_jax.diagnostics.summary import Summary, summarize
from nelc_jax.latent import Latent
from nelc_jax.model import Model

HISTORY_SAMPLES = 128
FINAL_SAMPLES = 4096
COUNTED_STEPS = 100_000
"""Draws of x a latent state for M in the history and at the end, and the length of the
chain on which transitions are counted as well, the paper's T = 1e5."""

SAVE_EVERY = 10
"""Epochs between two writes of the history and the parameters."""

# Mini-batches are padded to one of this many sizes, each compiled once.
_PROGRAMS = 2


@dataclass(frozen=True)
class Schedule:
    """How long an ensemble trains, and on how many points a step."""

    epochs: int
    steps_per_epoch: int
    batch_first: int
    batch_last: int


@dataclass(frozen=True)
class Trained:
    """A trained ensemble: models, ends of their chains, history, final measures.

    `history` has one entry an epoch and model in every column; `pairs` are the counted
    transitions.
    """

    model: Model
    x: np.ndarray
    history: dict[str, np.ndarray]
    summary: Summary
    pairs: np.ndarray
    seconds: dict[str, float]


class Ensemble:
    """The compiled programs for one ensemble, and its members' random streams.

    The members are padded to a multiple of the devices with further members, which are
    trained like the others and dropped from every result.
    """

    def __init__(
        self,
        seed: int,
        num_models: int,
        latent: Latent,
        x: np.ndarray,
        config: training.Config,
        learning_rate: float,
    ):
        self.num_models = num_models
        self.mesh = ensemble.member_mesh(num_models)
        padded = -(-num_models // self.mesh.size) * self.mesh.size
        root = jax.random.key(seed)
        self._train_key, self._measure_key = jax.random.split(root)
        self._members = jnp.arange(padded)
        self.x = jax.device_put(
            jnp.asarray(x), NamedSharding(self.mesh, PartitionSpec())
        )
        self._sharding = NamedSharding(self.mesh, PartitionSpec(ensemble.AXIS))
        self.states = jax.device_put(
            jax.jit(
                partial(
                    ensemble.init,
                    latent=latent,
                    config=config,
                    learning_rate=learning_rate,
                )
            )(self._train_key, self._members, x=self.x),
            self._sharding,
        )
        self._epoch = jax.jit(
            partial(_mapped_epoch, self.mesh, config),
            static_argnums=4,
            donate_argnums=0,
        )
        self._measure = jax.jit(partial(_mapped_measure, self.mesh))

    def epoch(self, number: int, batch_sizes: np.ndarray, capacity: int):
        """Train one epoch; returns its step infos and summary for the models."""
        self.states, info, summary = self._epoch(
            self.states,
            self._measure_keys(number),
            self.x,
            jnp.asarray(batch_sizes),
            capacity,
        )
        return self._of_models((info, summary))

    def measure(self):
        """Final summary, and transitions counted on a chain as long as the paper's."""
        return self._of_models(
            self._measure(self.states, self._measure_keys(0), self.x)
        )

    def models(self) -> tuple[Model, np.ndarray]:
        """The models' parameters, and the ends of their persistent chains."""
        return self._of_models((self.states.model, self.states.x))

    def _of_models(self, tree):
        return jax.tree.map(lambda a: np.asarray(a)[: self.num_models], tree)

    def _measure_keys(self, number: int):
        key = jax.random.fold_in(self._measure_key, number)
        return ensemble.member_keys(key, self._members)


def _mapped_epoch(mesh, config, states, keys, x, batch_sizes, capacity):
    def one(state, key, x, batch_sizes):
        state, info = training.train(config, state, x, batch_sizes, capacity)
        return state, info, summarize(state.model, key, x, HISTORY_SAMPLES)

    return ensemble.map_members(one, 2, mesh)(states, keys, x, batch_sizes)


def _mapped_measure(mesh, states, keys, x):
    def one(state, key, x):
        average_key, count_key = jax.random.split(key)
        counts = transitions.count_transitions(
            state.model, count_key, state.x, COUNTED_STEPS
        )
        return summarize(state.model, average_key, x, FINAL_SAMPLES), counts.pairs

    return ensemble.map_members(one, 2, mesh)(states, keys, x)


def train_ensemble(
    members: Ensemble,
    schedule: Schedule,
    save: Callable[[dict[str, np.ndarray], Model, np.ndarray], None],
) -> Trained:
    """Train with a progress bar, saving now and then; measure at the end.

    **Arguments:** `save(history, model, x)` is called every `SAVE_EVERY` epochs.

    **Raises:** `UserError` naming the model and step where a number went non-finite.
    """
    sizes = training.batch_schedule(
        schedule.batch_first, schedule.batch_last, schedule.epochs
    )
    capacities = batch_capacities(sizes)
    rows: list[dict[str, np.ndarray]] = []
    started = time.perf_counter()
    with tqdm(total=schedule.epochs, unit="epoch", desc="training") as bar:
        for epoch, (size, capacity) in enumerate(zip(sizes, capacities, strict=True)):
            info, summary = members.epoch(
                epoch + 1, np.full(schedule.steps_per_epoch, size), int(capacity)
            )
            _check_finite(info.finite, epoch * schedule.steps_per_epoch)
            rows.append(_history_row(epoch + 1, info, summary))
            bar.set_postfix_str(
                f"L = {summary.log_likelihood.mean():.2f} nats, "
                f"sigma = {summary.entropy_production_rate.mean():.2f} nats/step"
            )
            bar.update()
            if (epoch + 1) % SAVE_EVERY == 0:
                save(_stack(rows), *members.models())
    trained = time.perf_counter()
    tqdm.write("measuring the trained models")
    summary, pairs = members.measure()
    seconds = {
        "training": trained - started,
        "measuring": time.perf_counter() - trained,
    }
    return Trained(*members.models(), _stack(rows), summary, pairs, seconds)


def batch_capacities(sizes: np.ndarray, programs: int = _PROGRAMS) -> np.ndarray:
    """The array size that each mini-batch is padded to, one of `programs` sizes."""
    steps = np.ceil(sizes.max() * np.arange(1, programs + 1) / programs).astype(int)
    return steps[np.searchsorted(steps, sizes)]


def _check_finite(finite: np.ndarray, first_step: int):
    if not finite.all():
        step = int(np.argmin(finite.all(axis=0)))
        model = int(np.argmin(finite[:, step]))
        raise UserError(
            f"model {model} went non-finite at gradient step {first_step + step + 1}: "
            "lower --learning-rate; what was saved before is kept"
        )


def _history_row(epoch: int, info, summary: Summary) -> dict[str, np.ndarray]:
    models = len(summary.log_likelihood)
    row = {
        "epoch": np.full(models, epoch),
        "model": np.arange(models),
        "log_likelihood": summary.log_likelihood,
        "batch_log_likelihood": info.log_likelihood.mean(axis=1),
        "entropy_production_rate": summary.entropy_production_rate,
        "relaxation_time": summary.relaxation_time,
        "mean_self_transition": summary.mean_self_transition,
        "min_occupancy": summary.min_occupancy,
    }
    return {name: np.asarray(column) for name, column in row.items()}


def _stack(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
