"""The run directory: what a run writes, each file whole or not at all, and reads back.

config.json             settings of the run
history.csv             one row an epoch and model
models.csv              one row a model
checkpoint.safetensors  arrays with a leading axis over models
figures/  report.html   made from the files above
"""

import csv
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from experiments.errors import UserError

CONFIG, HISTORY, MODELS = "config.json", "history.csv", "models.csv"
CHECKPOINT, FIGURES, REPORT = "checkpoint.safetensors", "figures", "report.html"


@dataclass(frozen=True)
class Run:
    """A finished run, as its files hold it.

    `history` and `models` map each column to its values; `arrays` holds w (M, D, L),
    a (M, D), w_bar (M, L, D), a_bar (M, L), x_mean (M, D), the ends x (M, D) of the
    persistent chains, latent_kernel and its logarithm (M, S, S), occupancy (M, S) and
    classes (M, S).
    """

    config: dict
    history: dict[str, np.ndarray]
    models: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]


def create_run_directory(path: Path, config: Mapping) -> None:
    """Make a new run directory with its `config.json`, or change nothing.

    **Raises:** `UserError` when `path` holds anything already or cannot be written.
    """
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            what = "already holds a run" if (path / CONFIG).exists() else "is not empty"
            raise UserError(f"--out {path} {what}: choose another directory")
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / CONFIG, json.dumps(config, indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"--out {path} cannot be written ({error.strerror}): choose another "
            "directory"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, replacing an older one only once the new one is complete."""
    _write(path, lambda file: file.write(text.encode()))


def write_table(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write a CSV file with one column an array; floats keep 6 significant digits."""
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join(_cell(value) for value in row))
    write_text(path, "\n".join(lines) + "\n")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays in safetensors format."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    _write(path, lambda file: file.write(save(whole)))


def write_run(path: Path, run: Run) -> None:
    """Write the tables, arrays and final configuration of a finished run."""
    write_text(path / CONFIG, json.dumps(run.config, indent=2) + "\n")
    write_table(path / HISTORY, run.history)
    write_table(path / MODELS, run.models)
    write_arrays(path / CHECKPOINT, run.arrays)


def load_run(path: Path) -> Run:
    """Read a finished run.

    **Raises:** `UserError` when a file of the run is missing.
    """
    for name in (CONFIG, HISTORY, MODELS, CHECKPOINT):
        if not (path / name).is_file():
            raise UserError(f"{path} is not a finished run: {name} is missing")
    return Run(
        config=json.loads((path / CONFIG).read_text()),
        history=_read_table(path / HISTORY),
        models=_read_table(path / MODELS),
        arrays=load_file(path / CHECKPOINT),
    )


def _cell(value) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _read_table(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    columns = zip(*rows[1:], strict=True)
    return {
        name: np.array(values, dtype=np.int64 if _whole(values) else np.float64)
        for name, values in zip(rows[0], columns, strict=True)
    }


def _whole(values) -> bool:
    return all(value.lstrip("-").isdigit() for value in values)


def _write(path: Path, fill: Callable) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
