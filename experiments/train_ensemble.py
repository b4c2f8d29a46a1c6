"""The paper in one command: train an ensemble, measure it, draw its figures."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from shlex import quote

from experiments.command.devices import (
    check_devices,
    join_processes,
    reports_lost_process,
    use_all_cores,
)
from experiments.command.errors import UserError, reports_user_errors
from experiments.command.invocation import called
from experiments.command.options import RunOptions, check_seed, parse
from experiments.command.programs import keep_programs
from experiments.command.settings_file import settings_text, with_settings
from experiments.data.dataset import Dataset
from experiments.data.datasets import load_dataset, own_file
from experiments.runs.directory import check_begun, check_vacant
from experiments.runs.lock import locked
from experiments.runs.resume import read_saved
from experiments.training.run import check_points, own_directory, run_ensemble
from experiments.training.settings import Settings
from experiments.training.trial import plan_in_words, trial_in_words, try_run


@dataclass(frozen=True, kw_only=True)
class TrainEnsemble(Settings):
    """Train an ensemble of nonequilibrium latent-cycle models at once and measure it.

    Writes config.json, history.csv, models.csv, checkpoint.safetensors, figures/ and
    report.html to --out, and to training/ below it what --resume goes on from. The
    defaults are the paper's (arXiv 2512.11415, Sect. IV A), on digits that need no
    download.
    """

    run: RunOptions
    resume: bool = False
    """Go on with the run in --out, with its settings; --epochs may add epochs to it,
    with mini-batches of --batch-last. The results are those of an unbroken run."""
    dry_run: bool = False
    """Say what would be trained, how long that takes, by a trial of two epochs and of
    the measurement, and how much memory; write no results."""
    distributed: bool = False
    """Run as one of several processes (JAX's distributed runtime, which finds SLURM
    and cluster settings by itself; elsewhere see README). Each writes the results of
    its own models to process-K below --out."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    # First of all: what the file says is given now, where a run goes on, too.
    given = with_settings(
        TrainEnsemble,
        "train_ensemble",
        sys.argv[1:] if arguments is None else arguments,
    )
    options = parse(TrainEnsemble, "train_ensemble", given)
    out, resume, distributed = options.run.out, options.resume, options.distributed
    if options.dry_run and resume:
        raise UserError("--dry-run: leave --resume away, it is of a run to be begun")
    if not resume:
        _check(options)
    if distributed:
        join_processes()
    keep_programs(not options.run.no_cache)
    check_devices()
    if resume:
        options = _stored_options(own_directory(out), given)
        _check(options)
    run = options.run
    settings = Settings(**{f.name: getattr(options, f.name) for f in fields(Settings)})
    command = f"{called('train_ensemble')} --resume"
    go_on = f"{command}{' --distributed' * distributed} --out {quote(str(out))}"
    notes = {
        "command": "train_ensemble",
        "dataset": run.dataset,
        "dataset_path": own_file(run.dataset),
        "data_dir": None if run.data_dir is None else str(run.data_dir.absolute()),
        "distributed": distributed,
    }
    dataset = load_dataset(run.dataset, run.data_dir)
    if options.dry_run:
        _try(settings, dataset, run)
        return own_directory(out)
    with reports_lost_process(go_on) if distributed else nullcontext():
        run_ensemble(
            dataset,
            out,
            settings,
            seed=run.seed,
            resume=resume,
            notes=notes,
            settings_file=settings_text(options, "train_ensemble"),
            go_on=go_on,
        )
    return own_directory(out)


def _try(settings: Settings, dataset: Dataset, run: RunOptions):
    """Say what a run would be, and that nothing is in its way."""
    check_vacant(own_directory(run.out))
    check_points(dataset, settings)
    print(plan_in_words(settings, dataset), flush=True)
    print(trial_in_words(try_run(settings, dataset, run.seed)))


def _check(options: TrainEnsemble):
    """What can be told before any data are read."""
    options.check()
    check_seed(options.run.seed)
    options.rule()


def _stored_options(out: Path, arguments: Sequence[str]) -> TrainEnsemble:
    """The options that a run began with, and those given now, which count."""
    check_begun(out)
    with locked(out):
        saved = read_saved(out)
    if saved.config.get("command") != "train_ensemble":
        raise UserError(
            f"--out {out} is not a run of train_ensemble: go on as it was begun"
        )
    given = {**saved.config, "epochs": saved.epochs}
    given["dataset"] = given.get("dataset_path") or given.get("dataset")
    names = [f.name for f in fields(TrainEnsemble) if f.name not in ("run", "resume")]
    stored = []
    for name in ("seed", "dataset", "data_dir", *names):
        flag, value = "--" + name.replace("_", "-"), given.get(name)
        if value is True:
            stored.append(flag)
        elif value is not None and value is not False:
            stored.append(f"{flag}={value}")
    return parse(TrainEnsemble, "train_ensemble", [*stored, *arguments])


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: on all cores, errors in one line."""
    use_all_cores()
    main(arguments)


if __name__ == "__main__":
    command()
