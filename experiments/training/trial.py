"""What a run would take, by a short trial of it that writes nothing."""

import time
from dataclasses import dataclass

import jax
import numpy as np

from experiments.command.memory import in_words, peak_memory
from experiments.data.dataset import Dataset
from experiments.training.ensemble import Ensemble
from experiments.training.job import group_size
from experiments.training.measure import KERNEL_EVERY, SMALL
from experiments.training.settings import Settings

FIGURES_SECONDS = 10
"""Of figures and report, on a core of a present machine."""


@dataclass(frozen=True)
class Trial:
    """Seconds that a run would take, by its parts, and the bytes that a trial took."""

    compiling: float
    epoch: float
    training: float
    measuring: float
    memory: int | None

    @property
    def total(self) -> float:
        """The seconds of the whole run."""
        parts = self.compiling, self.training, self.measuring, FIGURES_SECONDS
        return sum(parts)


def plan_in_words(settings: Settings, dataset: Dataset) -> str:
    """What a run would train, in one sentence."""
    first, last = settings.batch_first, settings.batch_last
    points, visible = dataset.x.shape
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return (
        f"{settings.models} models of {settings.units} latent units "
        f"({settings.latent}) on the {points} points of {visible} bits of "
        f"{dataset.name}: {settings.epochs} epochs of {settings.steps_per_epoch} "
        f"gradient steps, mini-batches of {first} to {last} points, chains of "
        f"{settings.chain_length} double steps, on {device}"
    )


def try_run(settings: Settings, dataset: Dataset, seed: int) -> Trial:
    """Train two epochs of this process's first group of models, and measure it.

    A batch of the mean size takes the mean time: it goes as the size, beside what does
    not depend on it. Where M is measured after one epoch in ten, such a one is tried
    too. The models are as at the beginning; what is computed of them takes as long as
    at the end.
    """
    numbers, rule = settings.own_numbers(), settings.rule()
    size = group_size(settings, len(numbers))
    groups = -(-len(numbers) // size)
    sizes = settings.batch_sizes(settings.epochs)
    batch = np.full(settings.steps_per_epoch, round(sizes.mean()))
    members = Ensemble(seed, numbers[:size], size, rule, dataset.x)
    first = _seconds(lambda: members.epoch(1, batch))
    epoch = common = _seconds(lambda: members.epoch(2, batch))
    if rule.latent.enumerable and rule.latent.num_states > SMALL:
        rare = _seconds(lambda: members.epoch(KERNEL_EVERY, batch))
        epoch += (rare - common) / KERNEL_EVERY
    measuring = _seconds(members.measure)
    if groups > 1:
        # Compiled for all of them once.
        measuring += (groups - 1) * _seconds(members.measure)
    return Trial(
        max(first - common, 0),
        epoch,
        epoch * settings.epochs * groups,
        measuring,
        peak_memory(),
    )


def trial_in_words(trial: Trial) -> str:
    """How long a run would take and how much memory, in two lines."""
    lines = [
        f"about {_time(trial.total)}: compiling {_time(trial.compiling)}, training "
        f"{_time(trial.training)} ({trial.epoch:.2g} s an epoch, here and now), "
        f"measuring {_time(trial.measuring)}, figures {_time(FIGURES_SECONDS)}"
    ]
    if trial.memory is not None:
        memory = in_words(trial.memory)
        lines.append(f"about {memory} of memory, as this trial took, before figures")
    return "\n".join(lines)


def _seconds(function) -> float:
    started = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - started


def _time(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
