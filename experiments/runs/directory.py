"""The run directory: what a run writes, and reads back.

config.json             settings of the run
history.csv             one row an epoch and model
models.csv              one row a model
checkpoint.safetensors  arrays with a leading axis over models
figures/  report.html   made from the files above
training/               states to go on from (`checkpoint`), a file a group of models
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.command.errors import UserError, reports_unwritable
from experiments.runs.files import (
    is_leftover,
    read_table,
    write_table,
    write_text,
)
from nelc_jax import AbstractLatent
from nelc_jax._format import latent_from, latent_in_words, read_arrays, write_arrays
from nelc_jax.files import CHECKPOINT

CONFIG, HISTORY, MODELS = "config.json", "history.csv", "models.csv"
FIGURES, REPORT = "figures", "report.html"
TRAINING, LOCK = "training", ".lock"
RESULTS = (CONFIG, HISTORY, MODELS, CHECKPOINT)
"""The files from which a finished run is read."""


@dataclass(frozen=True)
class Run:
    """A finished run, as its files hold it.

    `history` and `models` map each column to its values; `arrays` holds w (M, D, L),
    a (M, D), w_bar (M, L, D), a_bar (M, L), x_mean (M, D), the ends x (M, D) of the
    persistent chains and, where latent states are enumerated, latent_kernel and its
    logarithm (M, S, S), occupancy (M, S) and classes (M, S). `latent` is the latent
    space of the models (None: of other things).
    """

    config: dict
    history: dict[str, np.ndarray]
    models: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]
    latent: AbstractLatent | None = None

    def over_epochs(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The epochs, and a column of the history with a row a model, in order.

        A column that the history lacks was never measured: nan.
        """
        epochs = np.unique(self.history["epoch"])
        order = np.lexsort((self.history["epoch"], self.history["model"]))
        unknown = np.full(len(order), np.nan)
        column = self.history.get(name, unknown)
        return epochs, column[order].reshape(-1, len(epochs))


def create_run_directory(path: Path, config: Mapping) -> None:
    """Make a new run directory with its `config.json`, or change nothing.

    **Raises:** `UserError` when `path` holds anything already or cannot be written.
    """
    with reports_unwritable(f"--out {path}"):
        check_vacant(path)
        begin(path, config)


def begin(path: Path, config: Mapping) -> None:
    """Make a directory that says what is to be in it, whatever is."""
    path.mkdir(parents=True, exist_ok=True)
    write_text(path / CONFIG, json.dumps(config, indent=2) + "\n")


def check_vacant(path: Path, command: str | None = None) -> None:
    """Check that nothing is in the way of a new run directory.

    **Arguments:** `command`: what an earlier call of it left is not in the way.

    **Raises:** `UserError` when `path` holds anything else.
    """
    if command is not None and _made_by(command, path):
        return
    if path.exists() and (not path.is_dir() or any(map(_is_content, path.iterdir()))):
        what = "already holds a run" if (path / CONFIG).exists() else "is not empty"
        raise UserError(f"--out {path} {what}: choose another directory")


def check_begun(path: Path) -> None:
    """Check that a run directory holds a run.

    **Raises:** `UserError` when it does not.
    """
    if not (path / CONFIG).is_file():
        raise UserError(
            f"--out {path} holds no run to go on with: leave --resume away to begin one"
        )


def write_run(path: Path, run: Run) -> None:
    """Write the tables, arrays and final configuration of a finished run.

    The configuration comes last: until then, the old one does not fit.
    """
    write_table(path / HISTORY, run.history)
    metadata = None if run.latent is None else latent_in_words(run.latent)
    write_arrays(path / CHECKPOINT, run.arrays, metadata)
    write_table(path / MODELS, run.models)
    begin(path, run.config)


def load_run(path: Path, latents: Sequence[type[AbstractLatent]] = ()) -> Run:
    """Read a finished run; `latents`, classes of latent spaces from outside.

    **Raises:** `UserError` when a file of the run is missing; `ValueError` and
    `OSError` when one cannot be read.
    """
    for name in RESULTS:
        if not (path / name).is_file():
            raise UserError(f"{path} is not a finished run: {name} is missing")
    arrays, metadata = read_arrays(path / CHECKPOINT)
    return Run(
        config=json.loads((path / CONFIG).read_text()),
        history=read_table(path / HISTORY),
        models=read_table(path / MODELS),
        arrays=arrays,
        latent=latent_from(metadata, latents) if metadata else None,
    )


def _made_by(command: str, path: Path) -> bool:
    try:
        config = json.loads((path / CONFIG).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("command") == command


def _is_content(path: Path) -> bool:
    return path.name != LOCK and not is_leftover(path)
