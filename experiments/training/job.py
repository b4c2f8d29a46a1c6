"""What a process trains, from its first or last saved epoch to tables and arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from signal import Signals

import jax
import numpy as np

from experiments.command.errors import Interrupted, UserError
from experiments.command.signals import Stop
from experiments.data.dataset import Dataset
from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import Checkpoint
from experiments.runs.directory import Run
from experiments.runs.diverged import DIVERGED_IN
from experiments.runs.files import append_table
from experiments.runs.groups import Group, GroupFiles, form_groups, write_groups
from experiments.runs.progress import Progress
from experiments.training.columns import model_table
from experiments.training.diagnostics import Diagnostic, diagnostic_columns
from experiments.training.ensemble import Ensemble
from experiments.training.loop import Trained, join, train_ensemble
from experiments.training.settings import Settings
from nelc_jax import Model
from nelc_jax.training import AbstractRule

OnEpoch = Callable[[Mapping[str, np.ndarray]], bool | None]
"""Is told the columns of the history after an epoch, an entry a model; true ends it."""


@dataclass(frozen=True)
class Job:
    """What this process trains, and where the results go.

    `config`, what `config.json` says; `stop`, whether a signal came; `go_on`, the
    advice to who sent it; without `save`, nothing is saved before the end; `on_epoch`
    may end the training early.
    """

    rule: AbstractRule
    dataset: Dataset
    settings: Settings
    seed: int
    config: dict
    out: Path
    diagnostics: Sequence[Diagnostic] = ()
    stop: Stop = field(default_factory=Stop)
    go_on: str = ""
    save: bool = True
    on_epoch: OnEpoch | None = None

    def obey(self, when: str) -> None:
        """Give way to a signal; all that is needed to go on has been saved."""
        number = self.stop.signal
        if number is not None:
            line = f"stopped by {Signals(number).name} {when}: to go on, {self.go_on}"
            raise Interrupted(line, number)


def train_job(job: Job, checkpoints: list[Checkpoint]) -> Run:
    """Train and measure all groups in turn from where they are; write the results."""
    numbers = job.settings.own_numbers()
    size = group_size(job.settings, len(numbers))
    groups = form_groups(checkpoints, numbers, size)
    write_groups(job.out, job.config, groups)
    # The results of a finished run stay until those of more epochs are whole.
    history = job.out / run_directory.HISTORY
    shown = None if run_directory.holds_results(job.out) else history
    if shown is not None:
        history.unlink(missing_ok=True)
        for group in groups:
            if group.progress.rows:
                append_table(history, group.progress.history())
    trained = join([_train_group(job, group, size, shown) for group in groups])
    _check_any_finite(job, trained.diverged_in)
    return write_results(job, trained)


def group_size(settings: Settings, own: int) -> int:
    """How many of its `own` models this process trains at a time."""
    at_once = settings.members_at_once or settings.models
    return min(-(-at_once // jax.process_count()), own)


def write_results(job: Job, trained: Trained) -> Run:
    """Write the tables and arrays of a run whose training has ended."""
    model = trained.model
    columns, arrays = model_table(trained.measured, model, job.dataset)
    columns |= diagnostic_columns(job.diagnostics, model, trained.measured)
    run = Run(
        {**job.config, **_extent(trained)},
        _known(completed(trained, columns)),
        {"model": trained.numbers, DIVERGED_IN: trained.diverged_in, **columns},
        {**_parameters(model), "x": np.asarray(trained.x), **arrays},
        model.latent,
    )
    run_directory.write_run(job.out, run)
    return run


def _train_group(job: Job, group: Group, size: int, shown: Path | None) -> Trained:
    """Train and measure a group; its history is added to the file `shown`, if any."""
    settings = job.settings
    job.obey(f"after epoch {group.progress.epoch}")
    members = Ensemble(
        job.seed,
        group.numbers,
        size,
        job.rule,
        job.dataset.x,
        group.states,
    )

    files = GroupFiles(job.out, job.config, group)

    def after_epoch(progress: Progress) -> bool:
        epoch = progress.epoch
        _check_any_finite(job, members.diverged_in(epoch, settings.steps_per_epoch))
        ended = job.on_epoch is not None and bool(job.on_epoch(progress.rows[-1]))
        due = epoch % settings.save_every == 0 or epoch == settings.epochs or ended
        if job.save and (due or job.stop.signal is not None):
            rows = files.save(progress, members.states())
            if shown is not None:
                append_table(shown, rows)
        job.obey(f"after epoch {epoch}")
        return ended

    trained = train_ensemble(
        members,
        settings.batch_sizes(job.config["batch_epochs"]),
        settings.steps_per_epoch,
        after_epoch,
        job.config.get("ensemble", "training"),
        group.progress,
    )
    job.obey("after measuring")
    return trained


def _check_any_finite(job: Job, diverged_in: np.ndarray):
    """Stop a run of which no model is left; other groups and processes may have one."""
    if len(diverged_in) == job.settings.models and diverged_in.all():
        raise UserError(
            f"{job.config.get('ensemble', 'training')}: all {len(diverged_in)} models "
            f"went non-finite, the last in epoch {diverged_in.max()}: begin another "
            f"run, with a learning rate below {job.settings.learning_rate}"
        )


def _extent(trained: Trained) -> dict:
    """The epochs of a training, which may have ended early, and its seconds."""
    return {"epochs": int(trained.history["epoch"].max()), "seconds": trained.seconds}


def completed(
    trained: Trained, columns: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The history, whose last epoch has the final measures where it had none.

    Of many states M is measured after few epochs, and perhaps not after the last.
    """
    history, order = dict(trained.history), np.argsort(trained.numbers)
    last = history["epoch"] == history["epoch"].max()
    running = trained.diverged_in[order] == 0
    for name in history.keys() & columns.keys():
        values = history[name].copy()
        unknown = np.isnan(values[last]) & running
        values[last] = np.where(unknown, columns[name][order], values[last])
        history[name] = values
    return history


def _known(history: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The history without the columns of what was never measured."""
    return {name: each for name, each in history.items() if not np.isnan(each).all()}


def _parameters(model: Model) -> dict[str, np.ndarray]:
    """The arrays that make a model, by name."""
    parameters = model.parameters
    arrays = {f.name: getattr(parameters, f.name) for f in fields(parameters)}
    arrays["x_mean"] = model.x_mean
    return {name: np.asarray(array) for name, array in arrays.items()}
