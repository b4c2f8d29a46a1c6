"""Ensembles of a study: each trained once, and kept in a directory of its own."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from experiments.command.invocation import call
from experiments.command.streams import progress_bar
from experiments.data.dataset import Dataset
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run, holds_results, load_run
from experiments.runs.diverged import diverged_in
from experiments.runs.finished import models_of
from experiments.runs.resume import changes
from experiments.training.diagnostics import Diagnostic
from experiments.training.ensemble import known_occupancy, measure_again
from experiments.training.job import Job, train_job, write_results
from experiments.training.loop import Trained
from experiments.training.run import describe
from experiments.training.settings import Settings
from nelc_jax.likelihood import occupancy_log_prob
from nelc_jax.training import AbstractRule

QUICK = {
    "models": 8,
    "epochs": 12,
    "steps_per_epoch": 10,
    "chain_length": 24,
    "batch_last": 32,
}
"""The settings of a study that is only tried."""


@dataclass(frozen=True)
class Variant:
    """One ensemble of a study: its group there, its seed, and how it is trained.

    `other_rule`: by another rule than that of the settings.
    """

    group: str
    seed: int
    settings: Settings
    other_rule: AbstractRule | None = None

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{self.group}-{self.seed}"

    @property
    def rule(self) -> AbstractRule:
        """The rule by which it is trained."""
        return self.other_rule or self.settings.rule()


@dataclass(frozen=True)
class Study:
    """What the ensembles of a study share: data, and the directory above theirs.

    `again`: ensembles that are finished are measured anew.
    """

    train: Dataset
    held_out: Dataset
    out: Path
    again: bool = False

    def describe(self, command: str, options) -> dict:
        """What `config.json` above the ensembles says: the options, and which data."""
        settings = {k: v for k, v in vars(options).items() if k != "run"}
        return {
            "command": command,
            "dataset": self.train.name,
            "seed": options.run.seed,
            **settings,
            **call(),
            "data_digest": self.train.digest(),
            "held_out": self.held_out.digest(),
        }

    def run(self, variants: Sequence[Variant]) -> dict[str, list[Run]]:
        """All variants in turn, by group, with a progress bar over them."""
        runs: dict[str, list[Run]] = {}
        for variant in progress_bar(variants, unit="ensemble", desc=self.out.name):
            runs.setdefault(variant.group, []).append(self._run(variant))
        return runs

    def _run(self, variant: Variant) -> Run:
        """Train a variant, or read it where that was done with the same settings."""
        job = self._job(variant)
        out = job.out
        if holds_results(out):
            run = load_run(out)
            same = run.config["epochs"] == job.config["epochs"]
            if same and not changes(job.config, run.config):
                return _measure_again(job, run) if self.again else run
        run_directory.begin(out, job.config)
        # Made of what was there, by `show`.
        (out / run_directory.REPORT).unlink(missing_ok=True)
        return train_job(job, [])

    def _job(self, variant: Variant) -> Job:
        settings, rule = variant.settings, variant.other_rule
        config = describe(settings, rule, self.train, variant.seed)
        points = jnp.asarray(self.held_out.x)
        held_out = Diagnostic(
            "held_out_log_likelihood",
            "nats",
            "mean log-probability of a point held out of training",
            lambda model, summary: jnp.mean(
                occupancy_log_prob(model, summary.occupancy, points)
            ),
        )
        return Job(
            variant.rule,
            self.train,
            settings,
            variant.seed,
            config | {"ensemble": variant.name, "held_out": self.held_out.digest()},
            self.out / variant.name,
            [held_out],
            save=False,
        )


def _measure_again(job: Job, run: Run) -> Run:
    """The final measures anew, by the present estimators; the history stays."""
    models, ends = models_of(run), run.arrays["x"]
    numbers = run.models["model"].astype(np.uint32)
    x = job.dataset.x
    p_bar = run.arrays["occupancy"] if known_occupancy(job.rule, x) else None
    started = time.perf_counter()
    measured = measure_again(models, ends, p_bar, numbers, job.seed, x)
    seconds = {**run.config["seconds"], "measuring": time.perf_counter() - started}
    trained = Trained(
        numbers, models, ends, diverged_in(run), run.history, measured, seconds
    )
    return write_results(replace(job, config=run.config), trained)
