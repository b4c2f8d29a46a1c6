"""The ensembles of a verdict, each trained once and kept in a directory of its own."""

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments.data.datasets import Dataset
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run, load_run
from experiments.runs.progress import Schedule, Trained
from experiments.training.ensemble import Ensemble, measure_again, train_ensemble
from experiments.training.measure import model_table
from experiments.training.trainers import Controlled, Cycles, Equilibrium, Trainer
from nelc_jax.baselines import pcd
from nelc_jax.latent import Binary, OneHot
from nelc_jax.likelihood import occupancy_log_prob
from nelc_jax.model import Model, Parameters
from nelc_jax.training import Config

RBM_RATE_STEPS = 1 / 6
"""The share of training after which the RBM's learning rate is half the first one."""


@dataclass(frozen=True)
class Part:
    """One ensemble: `kind` is "cycles" or "rbm"; the rest as in `train_ensemble`.

    `control` is "none" or one of `trainers.Controlled`.
    """

    group: str
    seed: int
    kind: str = "cycles"
    latent: str = "onehot"
    normalization: str = "sigmoid"
    score: str = "paper"
    units: int = 6
    models: int = 36
    epochs: int = 120
    steps_per_epoch: int = 30
    batch_first: int = 16
    batch_last: int = 160
    chain_length: int = 48
    learning_rate: float = 0.1
    decay: float = 0.9
    eps: float = 1e-8
    estimator: str = "trajectory"
    horizon: int | None = 1
    control: str = "none"

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{self.group}-{self.seed}"


def readings(base: Part, seeds: range) -> list[Part]:
    """The four readings of the paper's equations, each with every seed."""
    return [
        replace(
            base,
            group=f"{normalization}-{score}",
            seed=seed,
            normalization=normalization,
            score=score,
        )
        for normalization in ("sigmoid", "softmax")
        for score in ("paper", "exact")
        for seed in seeds
    ]


def machines(base: Part, seeds: range) -> list[Part]:
    """The RBMs with a one-hot and with a Bernoulli hidden layer."""
    return [
        replace(base, group=group, seed=seed, kind="rbm", **settings)
        for group, settings in (
            ("rbm-onehot", {"latent": "onehot", "normalization": "softmax"}),
            ("rbm-binary", {"latent": "binary"}),
        )
        for seed in seeds
    ]


def sensitivities(base: Part) -> list[Part]:
    """The default reading with one setting changed at a time."""
    changes = [
        *({"eps": eps} for eps in (1e-3, 1e-2)),
        *({"decay": decay} for decay in (0.5, 0.99)),
        *({"learning_rate": rate} for rate in (0.03, 0.3)),
        *({"chain_length": length} for length in (12, 192)),
        *({"units": units} for units in (3, 4, 8, 12)),
    ]
    return [
        replace(base, group="-".join(f"{k}={v}" for k, v in change.items()), **change)
        for change in changes
    ]


def trainer_of(part: Part) -> Trainer:
    """What the part trains."""
    if part.latent == "onehot":
        latent = OneHot(part.units, part.normalization)  # pyright: ignore
    else:
        latent = Binary(part.units)
    if part.kind == "rbm":
        steps = part.epochs * part.steps_per_epoch
        config = pcd.Config(
            part.chain_length,
            decay=part.decay,
            eps=part.eps,
            # The chain between the modes of Bernoulli units is too slow to train by.
            negative="exact" if part.latent == "binary" else "chain",
            rate_steps=RBM_RATE_STEPS * steps,
        )
        return Equilibrium(latent, config)
    cycles = Cycles(
        latent,
        Config(
            part.chain_length,
            part.score,  # pyright: ignore
            part.decay,
            part.eps,
            estimator=part.estimator,  # pyright: ignore
            horizon=part.horizon,
        ),
    )
    return cycles if part.control == "none" else Controlled(cycles, part.control)


def train_part(
    part: Part, train: Dataset, held_out: Dataset, directory: Path, again: bool = False
) -> Run:
    """The ensemble of a part: read where it was finished with the same settings.

    **Arguments:** `again`: one that is read is measured anew.
    """
    out = directory / part.name
    settings = json.loads(json.dumps(asdict(part) | {"dataset": train.name}))
    if (out / run_directory.MODELS).is_file():
        run = load_run(out)
        if run.config["part"] == settings and run.config["points"] == len(train.x):
            return _measure_again(part, run, train, held_out, out) if again else run
    out.mkdir(parents=True, exist_ok=True)
    schedule = Schedule(
        part.epochs, part.steps_per_epoch, part.batch_first, part.batch_last
    )
    members = Ensemble(
        part.seed,
        np.arange(part.models),
        part.models,
        trainer_of(part),
        train.x,
        part.learning_rate,
    )
    trained = train_ensemble(members, schedule, lambda *_: None, name=part.name)
    config = {
        "part": settings,
        "points": len(train.x),
        "class_names": list(train.class_names),
        "seconds": trained.seconds,
    }
    return _write(out, config, trained, train, held_out)


def _measure_again(
    part: Part, run: Run, train: Dataset, held_out: Dataset, out: Path
) -> Run:
    """The final measures anew, by the present estimators; the history stays."""
    arrays = run.arrays
    latent = trainer_of(part).latent
    names = ("w", "a", "w_bar", "a_bar", "x_mean")
    models = jax.vmap(lambda *rows: Model(Parameters(*rows[:4]), rows[4], latent))(
        *(jnp.asarray(arrays[name]) for name in names)
    )
    numbers = run.models["model"].astype(np.uint32)
    p_bar = arrays["occupancy"] if part.kind == "rbm" else None
    started = time.perf_counter()
    measured = measure_again(models, arrays["x"], p_bar, numbers, part.seed, train.x)
    seconds = {**run.config["seconds"], "measuring": time.perf_counter() - started}
    trained = Trained(numbers, models, arrays["x"], run.history, measured, seconds)
    config = {**run.config, "seconds": seconds}
    return _write(out, config, trained, train, held_out)


def _write(
    out: Path, config: dict, trained: Trained, train: Dataset, held_out: Dataset
) -> Run:
    columns, arrays = model_table(trained.measured, trained.model, train)
    p_bar = jnp.asarray(arrays["occupancy"])
    points = jnp.asarray(held_out.x)
    held = jax.lax.map(
        lambda pair: jnp.mean(occupancy_log_prob(pair[0], pair[1], points)),
        (trained.model, p_bar),
    )
    columns["held_out_log_likelihood"] = np.asarray(held)
    parameters = trained.model.parameters
    arrays |= {
        "w": parameters.w,
        "a": parameters.a,
        "w_bar": parameters.w_bar,
        "a_bar": parameters.a_bar,
        "x_mean": trained.model.x_mean,
        "x": trained.x,
    }
    run = Run(
        config,
        trained.history,
        {"model": trained.numbers, **columns},
        {name: np.asarray(array) for name, array in arrays.items()},
    )
    # models.csv last but one: a directory that has it is whole.
    run_directory.write_text(out / run_directory.CONFIG, json.dumps(config, indent=2))
    run_directory.write_table(out / run_directory.HISTORY, run.history)
    run_directory.write_arrays(out / run_directory.CHECKPOINT, run.arrays)
    run_directory.write_table(out / run_directory.MODELS, run.models)
    return run


def train_parts(
    parts: list[Part],
    train: Dataset,
    held_out: Dataset,
    directory: Path,
    again: bool = False,
) -> dict[str, list[Run]]:
    """All parts in turn, by group, with a progress bar over them (`train_part`)."""
    runs: dict[str, list[Run]] = {}
    for part in tqdm(parts, unit="ensemble", desc="verdict"):
        run = train_part(part, train, held_out, directory, again)
        runs.setdefault(part.group, []).append(run)
    return runs
