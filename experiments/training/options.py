"""The options of `train_ensemble`, what is wrong with them, and what they stand for."""

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import Literal

import jax
import numpy as np

from experiments.command import versions
from experiments.command.errors import UserError
from experiments.command.options import RunOptions, check_positive, check_seed, parse
from experiments.data.datasets import Dataset, load_dataset
from experiments.training.trainers import Cycles, Trainer
from nelc_jax.latent import MAX_ENUMERATED, Binary, OneHot
from nelc_jax.training import Config


@dataclass(frozen=True)
class TrainEnsemble:
    """Train an ensemble of nonequilibrium latent-cycle models at once and measure it.

    Writes config.json, history.csv, models.csv, checkpoint.safetensors, figures/ and
    report.html to --out, and to training/ below it what --resume goes on from. The
    defaults are the paper's (arXiv 2512.11415, Sect. IV A), on digits that need no
    download.
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
    estimator: Literal["trajectory", "averaged"] = "trajectory"
    """Averages of the gradient: over the chain, or over --chain-length draws of every
    latent state in its place."""
    horizon: int = 1
    """Double steps that the gradient goes back, the paper's 1; 0: all of them, which
    needs --estimator averaged."""
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
    save_every: int = 10
    """Epochs between two saved states of the training."""
    resume: bool = False
    """Go on with the run in --out, with its settings; --epochs may add epochs to it,
    with mini-batches of --batch-last. The results are those of an unbroken run."""
    distributed: bool = False
    """Run as one of several processes (JAX's distributed runtime, which finds SLURM
    and cluster settings by itself; elsewhere see README). Each writes the results of
    its own models to process-K below --out."""


def parse_options(arguments: list[str]) -> TrainEnsemble:
    """The options on a command line, of which the last counts if one comes twice."""
    return parse(TrainEnsemble, "train_ensemble", arguments)


def stored_arguments(config: dict) -> list[str]:
    """The command line of a run, from its config.json."""
    names = [f.name for f in fields(TrainEnsemble) if f.name not in ("run", "resume")]
    arguments = []
    for name in ("seed", "dataset", "data_dir", *names):
        flag, value = "--" + name.replace("_", "-"), config.get(name)
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False:
            arguments.append(f"{flag}={value}")
    return arguments


def check_options(options: TrainEnsemble) -> None:
    """Check every option by itself.

    **Raises:** `UserError` for the first that has no meaning.
    """
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
        save_every=options.save_every,
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
    check_seed(options.run.seed)


def make_trainer(options: TrainEnsemble) -> Trainer:
    """What the ensemble trains.

    **Raises:** `UserError` for more latent states than can be enumerated, or a horizon
    that the estimator does not have.
    """
    if options.latent == "onehot":
        latent = OneHot(options.units, options.normalization)
    else:
        latent = Binary(options.units)
    if latent.num_states > MAX_ENUMERATED:
        raise UserError(
            f"--units {options.units}: {latent.num_states} latent states, but the "
            f"diagnostics enumerate at most {MAX_ENUMERATED}: use fewer units"
        )
    try:
        config = Config(
            options.chain_length,
            options.score,
            options.decay,
            options.eps,
            estimator=options.estimator,
            horizon=options.horizon or None,
        )
    except ValueError as error:
        raise UserError(f"--horizon {options.horizon}: {error}") from error
    return Cycles(latent, config)


def load_points(options: TrainEnsemble) -> Dataset:
    """The data.

    **Raises:** `UserError` as `load_dataset`, and for too few points.
    """
    dataset = load_dataset(options.run.dataset, options.run.data_dir)
    if len(dataset.x) < options.batch_last:
        raise UserError(
            f"--dataset {dataset.name} has {len(dataset.x)} points, fewer than "
            f"--batch-last {options.batch_last}: give at most {len(dataset.x)}"
        )
    return dataset


def own_numbers(options: TrainEnsemble) -> np.ndarray:
    """The numbers of the models that this process trains.

    **Raises:** `UserError` for fewer models than processes.
    """
    processes = jax.process_count()
    if options.models < processes:
        raise UserError(
            f"--models {options.models}: {processes} processes need one each at least"
        )
    return np.array_split(np.arange(options.models), processes)[jax.process_index()]


def describe(options: TrainEnsemble, dataset: Dataset, batch_epochs: int) -> dict:
    """What config.json holds: every option, the data, the versions that ran."""
    settings = asdict(options)
    shared = settings.pop("run")
    del settings["resume"]
    labels = b"" if dataset.labels is None else dataset.labels.tobytes()
    return {
        "command": "train_ensemble",
        "dataset": shared["dataset"],
        "data_dir": None if shared["data_dir"] is None else str(shared["data_dir"]),
        "seed": shared["seed"],
        **settings,
        "batch_epochs": batch_epochs,
        "num_points": len(dataset.x),
        "num_visible": dataset.x.shape[1],
        "class_names": list(dataset.class_names),
        "image_shape": dataset.image_shape,
        "data_digest": hashlib.sha256(dataset.x.tobytes() + labels).hexdigest()[:16],
        "processes": jax.process_count(),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "versions": versions.installed(),
    }
