"""The paper in one command: train an ensemble, measure it, draw its figures."""

import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from signal import Signals

import jax
import numpy as np

from experiments.command import versions
from experiments.command.devices import join_processes, use_all_cores
from experiments.command.errors import Interrupted, reports_user_errors
from experiments.command.signals import Stop, noticed_signals
from experiments.data.datasets import Dataset
from experiments.figures import save_figures
from experiments.report.report import write_report
from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import Checkpoint
from experiments.runs.directory import Run
from experiments.runs.progress import Progress, Schedule, Trained, join
from experiments.runs.resume import (
    Group,
    check_saved,
    form_groups,
    read_saved,
    write_group,
    write_groups,
)
from experiments.training.ensemble import Ensemble, state_structure, train_ensemble
from experiments.training.measure import model_table
from experiments.training.options import (
    TrainEnsemble,
    check_options,
    describe,
    load_points,
    make_trainer,
    own_numbers,
    parse_options,
    stored_arguments,
)
from experiments.training.trainers import Trainer
from nelc_jax.model import Model


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_options(arguments)
    if not options.resume:
        check_options(options)
    if options.distributed:
        join_processes()
    out = options.run.out
    if jax.process_count() > 1:
        out = out / f"process-{jax.process_index()}"
    with noticed_signals() as stop:
        if options.resume:
            _resume(arguments, out, stop)
        else:
            _begin(options, out, stop)
    return out


def _begin(options: TrainEnsemble, out: Path, stop: Stop):
    """A new run."""
    trainer, dataset = make_trainer(options), load_points(options)
    run_directory.check_vacant(out)
    with run_directory.locked(out):
        run_directory.remove_leftovers(out)
        config = describe(options, dataset, options.epochs)
        run_directory.create_run_directory(out, config)
        _train(_Job(options, config, out, trainer, dataset, stop), [])


def _resume(arguments: list[str], out: Path, stop: Stop):
    """The run that `out` holds, from the states that were saved of it."""
    run_directory.check_begun(out)
    with run_directory.locked(out):
        saved = read_saved(out)
        # Later options count: those given now, else those that the run began with.
        given = {**saved.config, "epochs": saved.epochs}
        options = parse_options([*stored_arguments(given), *arguments])
        check_options(options)
        trainer, dataset = make_trainer(options), load_points(options)
        config = describe(options, dataset, saved.config["batch_epochs"])
        structure = state_structure(trainer, dataset.x)
        check_saved(saved, config, structure, own_numbers(options))
        if saved.finished and options.epochs == saved.epochs:
            print(f"--out {out} is finished: all {options.epochs} epochs are done")
            return
        checkpoints = list(saved.checkpoints.values())
        config |= _other_versions(config["versions"], checkpoints)
        with run_directory.explained_write_errors(out):
            run_directory.remove_leftovers(out)
        job = _Job(options, config, out, trainer, dataset, stop)
        _train(job, checkpoints)


def _other_versions(installed: dict, checkpoints: list[Checkpoint]) -> dict:
    """Say it where states of other versions go on; what config.json holds of it."""
    configs = [checkpoint.config for checkpoint in checkpoints]
    earlier = versions.earlier_versions(installed, configs)
    if not earlier:
        return {}
    print(versions.resumed_with(installed, earlier))
    return {"earlier_versions": earlier}


@dataclass(frozen=True)
class _Job:
    """What this process trains, and where the results go."""

    options: TrainEnsemble
    config: dict
    out: Path
    trainer: Trainer
    dataset: Dataset
    stop: Stop

    def obey(self, when: str):
        """Give way to a signal; all that is needed to go on has been saved."""
        if self.stop.signal is not None:
            command = "python -m experiments.train_ensemble --resume"
            if self.options.distributed:
                command += " --distributed"
            raise Interrupted(
                f"stopped by {Signals(self.stop.signal).name} {when}: to go on, "
                f"{command} --out {shlex.quote(str(self.options.run.out))}",
                self.stop.signal,
            )


def _train(job: _Job, checkpoints: list[Checkpoint]):
    """Train and measure all groups in turn from where they are; write the results."""
    out = job.out
    numbers = own_numbers(job.options)
    size = job.options.members_at_once or job.options.models
    size = min(-(-size // jax.process_count()), len(numbers))
    groups = form_groups(checkpoints, numbers, size)
    with run_directory.explained_write_errors(out):
        write_groups(out, job.config, groups)
        trained = join([_train_group(job, group, size) for group in groups])
        run = _finished(job.config, job.dataset, trained)
        # The last file of a finished run: without it the others may be of two runs.
        report = out / run_directory.REPORT
        report.unlink(missing_ok=True)
        run_directory.write_run(out, run)
        job.obey("before the figures")
        figures = save_figures(run, out / run_directory.FIGURES)
        job.obey("before the report")
        write_report(run, figures, report)
    _print_result(run, out)


def _train_group(job: _Job, group: Group, size: int) -> Trained:
    options = job.options
    job.obey(f"after epoch {group.progress.epoch}")
    members = Ensemble(
        options.run.seed,
        group.numbers,
        size,
        job.trainer,
        job.dataset.x,
        options.learning_rate,
        group.states,
    )
    schedule = Schedule(
        options.epochs,
        options.steps_per_epoch,
        options.batch_first,
        options.batch_last,
        job.config["batch_epochs"],
    )

    def after_epoch(progress: Progress):
        epoch = progress.epoch
        due = epoch % options.save_every == 0 or epoch == options.epochs
        if due or job.stop.signal is not None:
            reached = Group(group.numbers, progress, members.states())
            write_group(job.out, job.config, reached)
            # The tables of a finished run stay until those of more epochs are whole.
            if not (job.out / run_directory.REPORT).exists():
                history = job.out / run_directory.HISTORY
                run_directory.write_table(history, progress.history())
        job.obey(f"after epoch {epoch}")

    trained = train_ensemble(members, schedule, after_epoch, begun=group.progress)
    job.obey("after measuring")
    return trained


def _parameters(model: Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays that make a model, and the ends of the persistent chains."""
    parameters = model.parameters
    arrays = {f.name: getattr(parameters, f.name) for f in fields(parameters)}
    arrays |= {"x_mean": model.x_mean, "x": x}
    return {name: np.asarray(array) for name, array in arrays.items()}


def _finished(config: dict, dataset: Dataset, trained: Trained) -> Run:
    """The tables and arrays of a run whose training has ended."""
    columns, arrays = model_table(trained.measured, trained.model, dataset)
    config = {**config, "seconds": trained.seconds}
    parameters = _parameters(trained.model, trained.x)
    return Run(
        config,
        trained.history,
        {"model": trained.numbers, **columns},
        {**parameters, **arrays},
    )


def _print_result(run: Run, out: Path):
    models = run.models
    best = int(np.argmax(models["log_likelihood"]))
    sigma = models["entropy_production_rate"]
    print(
        f"best log-likelihood {models['log_likelihood'][best]:.2f} nats (model {best}, "
        f"sigma {sigma[best]:.2f} nats/double step); trained in "
        f"{run.config['seconds']['training']:.0f} s; see {out / 'report.html'}"
    )


if __name__ == "__main__":
    use_all_cores()
    reports_user_errors(main)()
