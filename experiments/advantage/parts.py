"""Models trained by one method at one rate: the parts that a run is resumed by."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.compilation import Effort, Program
from experiments.data.dataset import Dataset
from experiments.training.identity import optimizer_digest, rule_in_words
from nelc_jax import Model, Parameters, ensemble, summarize
from nelc_jax._format import read_arrays, write_arrays
from nelc_jax.baselines import Rbm, rbm
from nelc_jax.likelihood import chain_log_prob, occupancy_log_prob
from nelc_jax.training import AbstractRule, State, batch_schedule

PARTS = "parts"
"""The directory of the parts."""

KERNEL_DRAWS = 2**16
"""Draws of x for the kernel M of a model, of all latent states together."""

SHORT = 100
"""Steps up to which compilation would take longer than what it saves."""

CHAIN_STEPS = 20_000
"""Double steps of the chain for the likelihood where latent states are sampled."""


@dataclass(frozen=True)
class Lesson:
    """How many models train, from which seed, for how long, and on which batches."""

    seed: int
    models: int
    steps: int
    batch_first: int
    batch_last: int

    def batch_sizes(self) -> np.ndarray:
        """One a step, growing linearly."""
        return batch_schedule(self.batch_first, self.batch_last, self.steps)


@dataclass(frozen=True)
class Part:
    """What one method reached at one rate; arrays have a leading axis of models.

    `path`, the file that it is in; likelihoods in nats a point, on the data and on
    those held out; `seconds` of the processors that the training of a model took, its
    share of all that were trained at once.
    """

    path: Path
    rule: AbstractRule
    rate: float
    seconds: float
    log_likelihood: np.ndarray
    held_out: np.ndarray
    arrays: dict[str, np.ndarray]

    @property
    def score(self) -> float:
        """The median likelihood, by which rates are compared; models may diverge."""
        finite = np.isfinite(self.log_likelihood)
        return float(np.median(np.where(finite, self.log_likelihood, -np.inf)))

    def models(self) -> Model:
        """The trained models, with a leading axis."""

        def one(x_mean, *parameters):
            return Model(Parameters(*parameters), x_mean, self.rule.latent)

        names = ("x_mean", "w", "a", "w_bar", "a_bar")
        return jax.vmap(one)(*(jnp.asarray(self.arrays[name]) for name in names))


class Course:
    """A rule and a lesson: one program trains models at several rates at once."""

    def __init__(
        self,
        name: str,
        rule: AbstractRule,
        lesson: Lesson,
        data: tuple[Dataset, Dataset],
        out: Path,
    ):
        self._name, self._rule, self._lesson = name, rule, lesson
        self._data, self._out = data, out / PARTS
        self._programs: dict[int, jax.stages.Compiled] = {}
        self._effort = Effort.ALL if lesson.steps > SHORT else Effort.LEAST

    def parts(self, rates: Sequence[float]) -> list[Part]:
        """Train at some rates, or read what that gave before."""
        path = self._out / f"{self._identity(rates)}.safetensors"
        try:
            arrays, _ = read_arrays(path)
        except (FileNotFoundError, ValueError):
            arrays = self._trained(rates)
            self._out.mkdir(exist_ok=True)
            write_arrays(path, arrays)
        seconds = float(arrays.pop("seconds").item())
        split = {name: np.split(array, len(rates)) for name, array in arrays.items()}
        likelihood, held_out = split.pop("log_likelihood"), split.pop("held_out")
        return [
            Part(
                path,
                self._rule,
                rate,
                seconds,
                likelihood[index],
                held_out[index],
                {name: each[index] for name, each in split.items()},
            )
            for index, rate in enumerate(rates)
        ]

    def _identity(self, rates: Sequence[float]) -> str:
        """A name with a digest of all that the result depends on."""
        said = {
            "rule": rule_in_words(self._rule),
            "optimizer": self._optimizer,
            "rates": list(rates),
            **asdict(self._lesson),
            "data": [each.digest() for each in self._data],
            "measured": [KERNEL_DRAWS, CHAIN_STEPS],
        }
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        return f"{self._name}-{digest[:16]}"

    @cached_property
    def _optimizer(self) -> str | None:
        return optimizer_digest(self._rule, self._data[0].x)

    def _trained(self, rates: Sequence[float]) -> dict[str, np.ndarray]:
        x, held_out = (jnp.asarray(each.x) for each in self._data)
        count = self._lesson.models
        key, measure_key = jax.random.split(jax.random.key(self._lesson.seed))
        # The same models at every rate: what differs between rates is no luck.
        numbers = jnp.tile(jnp.arange(count), len(rates))
        rate = jnp.repeat(jnp.asarray(rates, jnp.float32), count)
        states = _init(self._rule, key, numbers, x, rate, effort=Effort.LEAST)
        sizes = jnp.asarray(self._lesson.batch_sizes())
        # Compiled before the clock starts.
        if len(rates) not in self._programs:
            program = jax.jit(_train, static_argnums=0)
            lowered = program.lower(self._rule, states, x, sizes)
            self._programs[len(rates)] = lowered.compile(self._effort.options())
        program = self._programs[len(rates)]
        started = time.process_time()
        states = jax.block_until_ready(program(states, x, sizes))
        seconds = (time.process_time() - started) / len(numbers)
        keys = jax.random.split(measure_key, len(numbers))
        found = _measure(self._rule, states, keys, x, held_out, effort=self._effort)
        return {name: np.asarray(array) for name, array in found.items()} | {
            "seconds": np.array([seconds])
        }


@partial(Program, static_argnums=0)
def _init(rule, key, numbers, x, rate):
    return ensemble.init(rule, key, numbers, x, rate)


def _train(rule, states, x, sizes):
    states, _ = ensemble.train(rule, states, x, sizes)
    return states


@partial(Program, static_argnums=0)
def _measure(rule, states, keys, x, held_out):
    def one(state, key, x, held_out):
        model, p_bar = rule.model(state), _occupancy(rule, state, key, x)
        points = jnp.concatenate([x, held_out])
        if isinstance(state.model, Rbm):
            log_p = rbm.log_prob(state.model, points)
        elif p_bar is not None:
            log_p = occupancy_log_prob(model, p_bar, points)
        else:
            log_p = chain_log_prob(model, key, state.x, CHAIN_STEPS, points)
        return {
            **vars(model.parameters),
            "x_mean": model.x_mean,
            "log_likelihood": jnp.mean(log_p[: len(x)]),
            "held_out": jnp.mean(log_p[len(x) :]),
            **({} if p_bar is None else {"occupancy": p_bar}),
        }

    return ensemble.map_members(one, 2)(states, keys, x, held_out)


def _occupancy(rule: AbstractRule, state: State, key: jax.Array, x: jax.Array):
    """p_bar by its formula, or else from M; None of states that are sampled."""
    if not rule.latent.enumerable:
        return None
    known = rule.occupancy(state)
    if known is not None:
        return known
    draws = KERNEL_DRAWS // rule.latent.num_states
    return summarize(rule.model(state), key, x, draws).occupancy
