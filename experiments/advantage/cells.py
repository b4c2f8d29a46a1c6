"""The cells of the study: one method of one size, trained for one time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.advantage.methods import RATES, Method, falling, methods
from experiments.advantage.parts import KERNEL_DRAWS, Course, Lesson, Part
from experiments.advantage.sweep import best, sweep
from experiments.command.streams import progress_bar
from experiments.data.dataset import Dataset
from experiments.training.study import Study
from experiments.verdict.members import Members
from experiments.verdict.sampling import Classifier, sampling_of
from nelc_jax import Binary, ensemble, summarize
from nelc_jax._format import read_arrays, write_arrays


@dataclass(frozen=True)
class Plan:
    """What is trained: sizes L, and at one of them also other numbers of steps.

    `left_out`, the names of methods that are not.
    """

    lesson: Lesson
    chain_length: int
    units: tuple[int, ...]
    timed: int
    lengths: tuple[float, ...]
    rates: tuple[float, ...] = RATES
    left_out: tuple[str, ...] = ()

    def cells(self) -> "Iterator[Cell]":
        """All cells: those of the sizes, those as wide as two matrices, the lengths."""
        every = methods(self.chain_length)
        every = {name: one for name, one in every.items() if name not in self.left_out}

        def of(name: str, units: int, length: float = 1) -> Cell:
            steps = round(length * self.lesson.steps)
            lesson = replace(self.lesson, steps=steps)
            return Cell(name, every[name], units, lesson, self.rates)

        for units in self.units:
            yield from (of(name, units) for name in every if units <= every[name].up_to)
        for units in self.units:
            if 2 * units not in self.units:
                yield from (of(n, 2 * units) for n in every if every[n].wide)
        for length in self.lengths:
            yield from (
                of(name, self.timed, length)
                for name in every
                if self.timed <= every[name].up_to
            )


@dataclass(frozen=True)
class Cell:
    """One method with L latent units, trained by one lesson."""

    name: str
    method: Method
    units: int
    lesson: Lesson
    rates: tuple[float, ...]

    def train(self, study: Study) -> list[Part]:
        """At some rates, the best in the middle; what was trained before is read."""
        rule = self.method.rule(Binary(self.units), falling(self.lesson.steps))
        course = Course(
            f"{self.name}-L{self.units}",
            rule,
            self.lesson,
            (study.train, study.held_out),
            study.out,
        )
        first = [rate for rate in self.method.rates if rate in self.rates]
        return sweep(course.parts, first, self.rates)


@dataclass(frozen=True)
class Found:
    """A cell with its parts, and how the models of the best one sample, if they do."""

    cell: Cell
    parts: list[Part]
    sampling: Members

    @property
    def best(self) -> Part:
        """At the best rate."""
        return best(self.parts)


def train_cells(plan: Plan, study: Study, classifier: Classifier | None) -> list[Found]:
    """Train all cells in turn; measure how the best models of each size sample."""
    found = []
    for cell in progress_bar(list(plan.cells()), unit="cell", desc=study.out.name):
        parts, sampling = cell.train(study), {}
        latent = parts[0].rule.latent
        if cell.lesson == plan.lesson and cell.method.chain and latent.enumerable:
            sampling = _sampling(best(parts), study, classifier)
        found.append(Found(cell, parts, sampling))
    return found


def _sampling(part: Part, study: Study, classifier: Classifier | None) -> Members:
    """What `measure_sampling` found, now or before."""
    path = part.path.with_name(f"{part.path.stem}-{part.rate:g}-sampling.safetensors")
    try:
        columns, _ = read_arrays(path)
    except (FileNotFoundError, ValueError):
        columns = measure_sampling(part, study.train, classifier)
        write_arrays(path, columns)
    return columns


def measure_sampling(
    part: Part, train: Dataset, classifier: Classifier | None
) -> Members:
    """sigma, tau and the self-transition of models; of data with labels, `Sampling`."""
    models, x = part.models(), jnp.asarray(train.x)
    draws = KERNEL_DRAWS // part.rule.latent.num_states
    keys = jax.random.split(jax.random.key(1), len(part.held_out))
    occupancies = part.arrays["occupancy"]
    summary = _summaries(models, keys, occupancies, x, draws)
    names = ("entropy_production_rate", "relaxation_time", "mean_self_transition")
    columns = {name: np.asarray(getattr(summary, name)) for name in names}
    if classifier is None:
        return columns
    kernels, key = np.asarray(summary.latent_kernel), jax.random.key(2)
    return columns | sampling_of(models, key, kernels, occupancies, classifier, train)


@partial(jax.jit, static_argnums=4)
def _summaries(models, keys, occupancies, x, draws):
    def one(model, key, p_bar, x):
        return summarize(model, key, x, draws, p_bar)

    return ensemble.map_members(one, 3)(models, keys, occupancies, x)
