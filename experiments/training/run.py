"""A run from data to report: `run_ensemble` trains any rule and writes everything."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import jax
import numpy as np

import nelc_jax
from experiments.command import versions
from experiments.command.errors import UserError, reports_unwritable
from experiments.command.invocation import call, continued
from experiments.command.options import check_seed
from experiments.command.signals import noticed_signals
from experiments.data.dataset import Dataset
from experiments.figures import save_figures
from experiments.report.report import write_report
from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import Checkpoint
from experiments.runs.directory import Run
from experiments.runs.diverged import left_out, sound
from experiments.runs.files import remove_leftovers
from experiments.runs.lock import locked
from experiments.runs.resume import check_saved, read_saved
from experiments.training.diagnostics import Diagnostic, describe_diagnostics
from experiments.training.ensemble import state_structure
from experiments.training.identity import optimizer_digest, rule_in_words
from experiments.training.job import Job, OnEpoch, group_size, train_job
from experiments.training.settings import OF_RULE, Settings
from experiments.training.sizes import check_sizes
from nelc_jax.training import AbstractRule


def run_ensemble(
    dataset: Dataset,
    out: Path | str,
    settings: Settings | None = None,
    rule: AbstractRule | None = None,
    *,
    seed: int = 0,
    diagnostics: Sequence[Diagnostic] = (),
    resume: bool = False,
    notes: Mapping | None = None,
    settings_file: str | None = None,
    on_epoch: OnEpoch | None = None,
    go_on: str = "call run_ensemble again with resume=True",
) -> Run:
    """Train an ensemble, measure it, and write tables, arrays, figures and report.

    SIGINT, SIGTERM and SIGHUP end it once it has saved what it needs to go on.

    **Arguments:** `dataset`; `out`, the directory of the results; `settings`, by
    default the paper's; `rule`, by default that of the settings, of which those in
    `OF_RULE` count for no other; `seed` of all random numbers; `diagnostics`, further
    columns of `models.csv`; `resume`, whether to go on with the run in `out`; `notes`,
    what else `config.json` says; `settings_file`, what `settings.toml` says;
    `on_epoch`, called after every epoch with the columns of the history, an entry a
    model in each: where it returns true the training ends, and what was trained is
    measured; `go_on`, the advice to who stops the run.

    **Returns:** the run. Of several processes (JAX's distributed runtime), each has its
    own models, in `out`/process-K.

    **Raises:** `UserError` for settings without meaning, too few data, or an `out` that
    is taken, cannot be written, or holds another run than is to go on; `Interrupted`.
    """
    settings = settings or Settings()
    settings.check()
    check_seed(seed)
    check_points(dataset, settings)
    numbers = settings.own_numbers()
    if on_epoch is not None and group_size(settings, len(numbers)) < len(numbers):
        raise UserError(
            f"--members-at-once {settings.members_at_once}: on_epoch is told of all "
            "models at once: leave one of both away"
        )
    out = own_directory(Path(out))
    config = describe(settings, rule, dataset, seed, diagnostics) | dict(notes or {})
    with noticed_signals() as stop:
        job = Job(
            rule or settings.rule(),
            dataset,
            settings,
            seed,
            config,
            out,
            diagnostics,
            stop,
            go_on,
            on_epoch=on_epoch,
        )
        if resume:
            run_directory.check_begun(out)
            with locked(out):
                return _go_on(job, numbers)
        with reports_unwritable(f"--out {out}"):
            run_directory.check_vacant(out)
        with locked(out):
            run_directory.create_run_directory(out, config, settings_file)
            remove_leftovers(out)
            return _train_and_draw(job, [])


def own_directory(out: Path) -> Path:
    """Where this process writes: of several, each has a directory of its own."""
    if jax.process_count() > 1:
        return out / f"process-{jax.process_index()}"
    return out


def describe(
    settings: Settings,
    rule: AbstractRule | None,
    dataset: Dataset,
    seed: int,
    diagnostics: Sequence[Diagnostic] = (),
) -> dict:
    """What config.json holds: every setting, the data, the versions that ran."""
    config = {"dataset": dataset.name, "seed": seed, **asdict(settings)}
    if rule is not None:
        config = {name: value for name, value in config.items() if name not in OF_RULE}
        config["rule"] = rule_in_words(rule)
        config["optimizer_digest"] = optimizer_digest(rule, dataset.x)
    if diagnostics:
        config["diagnostics"] = describe_diagnostics(diagnostics)
    return {
        **config,
        "batch_epochs": settings.epochs,
        "num_points": len(dataset.x),
        "num_visible": dataset.x.shape[1],
        "class_names": list(dataset.class_names),
        "image_shape": dataset.image_shape,
        "data_digest": dataset.digest(),
        "processes": jax.process_count(),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        # What the C of the native path leaves of an unbroken run is its law, as with
        # another version of a package.
        **call(),
        "versions": versions.installed() | {"one-hot cycles": nelc_jax.native_path()},
    }


def check_points(dataset: Dataset, settings: Settings) -> None:
    """Check that the data suffice for the largest mini-batch, and the memory for all.

    **Raises:** `UserError` where they do not.
    """
    check_sizes(settings, dataset)
    if len(dataset.x) < settings.batch_last:
        raise UserError(
            f"--dataset {dataset.name} has {len(dataset.x)} points to train on, fewer "
            f"than the largest mini-batch (--batch-last) of {settings.batch_last}: "
            "give more points, or smaller mini-batches"
        )


def _go_on(job: Job, numbers: np.ndarray) -> Run:
    """The run that `out` holds, from the states that were saved of it."""
    out, epochs = job.out, job.settings.epochs
    saved = read_saved(out)
    config = {**job.config, "batch_epochs": saved.config["batch_epochs"]}
    state = state_structure(job.rule, job.dataset.x)
    check_saved(saved, config, state, numbers)
    if saved.finished and epochs == saved.epochs:
        print(f"--out {out} is finished: all {epochs} epochs are done")
        latent = jax.eval_shape(job.rule.model, state).latent
        try:
            return run_directory.load_run(out, [type(latent)])
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"{out} cannot be read ({reason}): begin anew in another directory"
            ) from error
    if job.settings.recipe == "best" and epochs != saved.config["batch_epochs"]:
        raise UserError(
            f"--epochs {epochs}: a run of --recipe best ends with its learning rate: "
            "begin another run"
        )
    checkpoints = list(saved.checkpoints.values())
    config |= _other_versions(config["versions"], checkpoints)
    config |= continued(config, [saved.config, *(c.config for c in checkpoints)])
    with _unwritable(out):
        remove_leftovers(out, out / run_directory.TRAINING, out / run_directory.FIGURES)
    return _train_and_draw(replace(job, config=config), checkpoints)


def _unwritable(out: Path):
    way_out = (
        "what was saved before is kept: make room, then repeat the command with "
        "--resume"
    )
    return reports_unwritable(f"--out {out}", way_out)


def _other_versions(installed: dict, checkpoints: list[Checkpoint]) -> dict:
    """Say it where states of other versions go on; what config.json holds of it."""
    configs = [checkpoint.config for checkpoint in checkpoints]
    earlier = versions.earlier_versions(installed, configs)
    if not earlier:
        return {}
    print(versions.resumed_with(installed, earlier))
    return {"earlier_versions": earlier}


def _train_and_draw(job: Job, checkpoints: list[Checkpoint]) -> Run:
    out = job.out
    with _unwritable(out):
        run = train_job(job, checkpoints)
        job.obey("before the figures")
        figures = save_figures(run, out / run_directory.FIGURES)
        job.obey("before the report")
        write_report(run, figures, out / run_directory.REPORT)
    _print_result(run, out)
    return run


def _print_result(run: Run, out: Path):
    models, without = sound(run).models, left_out(run)
    if without:
        print(without)
    if not len(models["model"]):
        return
    best = int(np.argmax(models["log_likelihood"]))
    sigma = models.get("entropy_production_rate")
    rate = "" if sigma is None else f", sigma {sigma[best]:.2f} nats/double step"
    print(
        f"best log-likelihood {models['log_likelihood'][best]:.2f} nats (model "
        f"{models['model'][best]}{rate}); trained in "
        f"{run.config['seconds']['training']:.0f} s; see {out / 'report.html'}"
    )
