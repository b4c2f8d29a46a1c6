"""The paper in one command: train an ensemble, measure it, draw its figures."""

from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from experiments import run_directory
from experiments.data import Dataset, load_dataset
from experiments.devices import join_processes, use_all_cores
from experiments.ensemble_run import Ensemble, Schedule, Trained, join, train_ensemble
from experiments.errors import UserError, reports_user_errors
from experiments.figures import save_figures
from experiments.measure import model_table
from experiments.options import RunOptions, check_positive, parse
from experiments.report import write_report
from experiments.run_directory import Run
from experiments.trainers import Cycles
from nelc_jax.latent import MAX_ENUMERATED, Binary, Latent, OneHot
from nelc_jax.model import Model
from nelc_jax.training import Config


@dataclass(frozen=True)
class TrainEnsemble:
    """Train an ensemble of nonequilibrium latent-cycle models at once and measure it.

    Writes config.json, history.csv, models.csv, checkpoint.safetensors, figures/ and
    report.html to --out. The defaults are the paper's (arXiv 2512.11415, Sect. IV A),
    on digits that need no download.
    """

    run: RunOptions
    models: int = 36
    """Number of models; model i is the same whatever this number."""
    latent: Literal["onehot", "binary"] = "onehot"
    """onehot: one of --units bits is on; binary: any of 2^units bit patterns."""
    units: int = 6
    """Latent units, L."""
    normalization: Literal["sigmoid", "softmax"] = "sigmoid"
    """p(z|x) of one-hot states: the paper's eq. 19, or the softmax of eq. 9."""
    score: Literal["paper", "exact"] = "paper"
    """Reading of z - mu in eq. 16c-d: eq. 15 to the letter, or the true derivative."""
    epochs: int = 120
    """Epochs."""
    steps_per_epoch: int = 30
    """Gradient steps an epoch."""
    chain_length: int = 48
    """Double steps of the Markov chain a gradient step, T."""
    batch_first: int = 16
    """Mini-batch size in the first epoch."""
    batch_last: int = 160
    """Mini-batch size in the last epoch; it grows linearly in between."""
    learning_rate: float = 0.1
    """Learning rate of RMSprop."""
    decay: float = 0.9
    """Decay of RMSprop's mean of squared gradients."""
    eps: float = 1e-8
    """Added to that mean inside the root."""
    members_at_once: int | None = None
    """Models held in memory at a time, for ensembles larger than the machine; groups of
    this many are trained in turn, with the same results. Default: all."""
    distributed: bool = False
    """Run as one of several processes (JAX's distributed runtime, which finds SLURM
    and cluster settings by itself; elsewhere see README). Each writes the results of
    its own models to process-K below --out."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(TrainEnsemble, "train_ensemble", arguments)
    _check(options)
    if options.distributed:
        join_processes()
    latent = _latent(options)
    dataset = load_dataset(options.run.dataset, options.run.data_dir)
    num_points = len(dataset.x)
    if num_points < options.batch_last:
        raise UserError(
            f"--dataset {dataset.name} has {num_points} points, fewer than "
            f"--batch-last {options.batch_last}: give at most {num_points}"
        )
    processes = jax.process_count()
    out = options.run.out
    if processes > 1:
        out = out / f"process-{jax.process_index()}"
    config = _config(options, dataset)
    run_directory.create_run_directory(out, config)

    schedule = Schedule(
        options.epochs,
        options.steps_per_epoch,
        options.batch_first,
        options.batch_last,
    )
    trainer = Cycles(
        latent,
        Config(options.chain_length, options.score, options.decay, options.eps),
    )
    size = min(options.members_at_once or options.models, options.models)
    groups = np.split(np.arange(options.models), range(size, options.models, size))
    finished: list[Trained] = []
    for group in groups:
        members = Ensemble(
            options.run.seed,
            group,
            size,
            trainer,
            dataset.x,
            options.learning_rate,
        )

        def save(history: dict[str, np.ndarray], model: Model, x: np.ndarray):
            # A group in training replaces the last one's: only finished runs are whole.
            run_directory.write_table(out / run_directory.HISTORY, history)
            run_directory.write_arrays(
                out / run_directory.CHECKPOINT, _parameters(model, x)
            )

        finished.append(train_ensemble(members, schedule, save))
    run = _finished(config, dataset, join(finished))
    run_directory.write_run(out, run)
    figures = save_figures(run, out / run_directory.FIGURES)
    write_report(run, figures, out / run_directory.REPORT)
    _print_result(run, out)
    return out


def _check(options: TrainEnsemble):
    check_positive(
        models=options.models,
        units=options.units,
        epochs=options.epochs,
        steps_per_epoch=options.steps_per_epoch,
        chain_length=options.chain_length,
        batch_first=options.batch_first,
        batch_last=options.batch_last,
        learning_rate=options.learning_rate,
        eps=options.eps,
    )
    if options.members_at_once is not None:
        check_positive(members_at_once=options.members_at_once)
    if options.batch_first > options.batch_last:
        raise UserError(
            f"--batch-first {options.batch_first} exceeds --batch-last "
            f"{options.batch_last}: mini-batches grow in training"
        )
    if not 0 <= options.decay < 1:
        raise UserError(f"--decay {options.decay}: expected 0 <= decay < 1")
    if options.run.seed < 0:
        raise UserError(f"--seed {options.run.seed}: expected 0 or more")


def _latent(options: TrainEnsemble) -> Latent:
    if options.latent == "onehot":
        latent = OneHot(options.units, options.normalization)
    else:
        latent = Binary(options.units)
    if latent.num_states > MAX_ENUMERATED:
        raise UserError(
            f"--units {options.units}: {latent.num_states} latent states, but the "
            f"diagnostics enumerate at most {MAX_ENUMERATED}: use fewer units"
        )
    return latent


def _config(options: TrainEnsemble, dataset: Dataset) -> dict:
    """What config.json holds: every option, the data, the versions that ran."""
    settings = asdict(options)
    shared = settings.pop("run")
    return {
        "command": "train_ensemble",
        "dataset": shared["dataset"],
        "data_dir": None if shared["data_dir"] is None else str(shared["data_dir"]),
        "seed": shared["seed"],
        **settings,
        "num_points": len(dataset.x),
        "num_visible": dataset.x.shape[1],
        "class_names": list(dataset.class_names),
        "image_shape": dataset.image_shape,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "versions": {
            name: metadata.version(name)
            for name in ("nelc_jax", "jax", "equinox", "optax", "numpy")
        },
    }


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
