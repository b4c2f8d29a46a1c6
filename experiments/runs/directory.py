"""The run directory: what a run writes, and reads back.

config.json             settings of the run; once it is finished, digests of its results
settings.toml           those that a command was given, to be handed back by `--config`
history.csv             one row an epoch and model
models.csv              one row a model
checkpoint.safetensors  arrays with a leading axis over models
figures/  report.html   made from the files above
training/               states to go on from (`checkpoint`), of each group of models
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.command.errors import UserError, reports_unwritable
from experiments.command.settings_file import SETTINGS
from experiments.runs.files import is_leftover, read_table, table_bytes
from nelc_jax import AbstractLatent
from nelc_jax._disk import (
    CONFIG,
    check_results,
    config_bytes,
    read_config,
    read_whole,
    write_whole,
)
from nelc_jax._format import array_bytes, latent_from, latent_in_words, read_arrays
from nelc_jax.files import CHECKPOINT

HISTORY, MODELS = "history.csv", "models.csv"
FIGURES, REPORT = "figures", "report.html"
TRAINING, LOCK = "training", ".lock"
OF_OTHERS = re.compile(r"\.DS_Store|\.nfs.*|slurm-.*\.out")
"""Files that systems put anywhere; they are in nobody's way."""


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


def create_run_directory(
    path: Path, config: Mapping, settings: str | None = None
) -> None:
    """Make a new run directory with its `config.json`, or change nothing.

    **Arguments:** `settings`, what `settings.toml` says.

    **Raises:** `UserError` when `path` holds anything already or cannot be written.
    """
    with reports_unwritable(f"--out {path}"):
        check_vacant(path)
        begin(path, config, settings)


def begin(path: Path, config: Mapping, settings: str | None = None) -> None:
    """Make a directory that says what is to be in it; what is there is not finished."""
    path.mkdir(parents=True, exist_ok=True)
    others = {} if settings is None else {path / SETTINGS: settings.encode()}
    # First, as by it a directory is known: after a kill between both it goes on.
    write_whole({path / CONFIG: config_bytes(config), **others})


def finish(path: Path, config: Mapping, names: Iterable[str]) -> None:
    """Say that files in a directory are its results, all of them written."""
    files = {name: read_whole(path / name) for name in names}
    write_whole({path / CONFIG: config_bytes(config, files)})


def figure_files(names: Iterable[str]) -> list[str]:
    """The files of figures in a directory, by the names of the figures."""
    return [f"{FIGURES}/{name}.{kind}" for name in names for kind in ("png", "pdf")]


def check_vacant(path: Path, command: str | None = None) -> None:
    """Check that nothing is in the way of a new run directory.

    **Arguments:** `command`: what an earlier call of it left is not in the way.

    **Raises:** `UserError` when `path` holds anything else.
    """
    if command is not None and made_by(path) == command:
        return
    if path.exists() and (not path.is_dir() or any(map(_is_content, path.iterdir()))):
        raise UserError(f"--out {path} {_what_is_in(path)} choose another directory")


def check_begun(path: Path) -> None:
    """Check that a run directory holds a run.

    **Raises:** `UserError` when it does not.
    """
    with reports_unwritable(f"--out {path}"):
        begun = (path / CONFIG).is_file()
    if not begun:
        raise UserError(
            f"--out {path} holds no run to go on with: leave --resume away to begin one"
        )


def write_run(
    path: Path, run: Run, others: Mapping[str, Mapping[str, np.ndarray]] | None = None
) -> None:
    """Write the tables, arrays and final configuration of a finished run.

    The configuration comes last: until then, the old one does not fit.

    **Arguments:** `others`, the columns of further tables by the names of their files.
    """
    metadata = None if run.latent is None else latent_in_words(run.latent)
    tables = {HISTORY: run.history, MODELS: run.models, **(others or {})}
    results = {name: table_bytes(columns) for name, columns in tables.items()}
    results[CHECKPOINT] = array_bytes(run.arrays, metadata)
    files = {path / name: data for name, data in results.items()}
    files[path / CONFIG] = config_bytes(run.config, results)
    # The report is of the older tables; without one, a run has not ended.
    write_whole(files, stale=path / REPORT)


def load_run(path: Path, latents: Sequence[type[AbstractLatent]] = ()) -> Run:
    """Read a finished run; `latents`, classes of latent spaces from outside.

    **Raises:** `ValueError` when it is not finished, or a file is not that of its
    results; `OSError` when one cannot be read.
    """
    config, digests = read_config(path)
    check_results(path, config, digests)
    arrays, metadata = read_arrays(path / CHECKPOINT)
    run = Run(
        config=config,
        history=read_table(path / HISTORY),
        models=read_table(path / MODELS),
        arrays=arrays,
        latent=latent_from(metadata, latents) if metadata else None,
    )
    # Once more: another process may have replaced them meanwhile.
    check_results(path, config, digests)
    return run


def holds_results(path: Path) -> bool:
    """Whether a directory has a finished run, whose files belong together."""
    try:
        check_results(path, *read_config(path))
    except (OSError, ValueError):
        return False
    return True


def made_by(path: Path) -> str | None:
    """The command that a directory says is its own."""
    try:
        command = read_config(path)[0].get("command")
    except (OSError, ValueError):
        return None
    return command if isinstance(command, str) else None


def _what_is_in(path: Path) -> str:
    if not (path / CONFIG).exists():
        return "is not empty:"
    if made_by(path) == "train_ensemble" and not (path / REPORT).exists():
        return "already holds a run, not finished: go on with --resume, or"
    return "already holds a run:"


def _is_content(path: Path) -> bool:
    ours = path.name == LOCK or is_leftover(path)
    return not ours and not OF_OTHERS.fullmatch(path.name)
