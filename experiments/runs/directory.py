"""The run directory: what a run writes, each file whole or not at all, and reads back.

config.json             settings of the run
history.csv             one row an epoch and model
models.csv              one row a model
checkpoint.safetensors  arrays with a leading axis over models
figures/  report.html   made from the files above
training/               states to go on from (`checkpoint`), a file a group of models
"""

import csv
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save

from experiments.command.errors import UserError

CONFIG, HISTORY, MODELS = "config.json", "history.csv", "models.csv"
CHECKPOINT, FIGURES, REPORT = "checkpoint.safetensors", "figures", "report.html"
TRAINING = "training"

_LOCK, _PART = ".lock", ".part"


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

    def over_epochs(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The epochs, and a column of the history with a row a model, in order."""
        epochs = np.unique(self.history["epoch"])
        order = np.lexsort((self.history["epoch"], self.history["model"]))
        return epochs, self.history[name][order].reshape(-1, len(epochs))


def check_vacant(path: Path) -> None:
    """Check that nothing is in the way of a new run directory.

    **Raises:** `UserError` when `path` holds anything already.
    """
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


def create_run_directory(path: Path, config: Mapping) -> None:
    """Make a new run directory with its `config.json`, or change nothing.

    **Raises:** `UserError` when `path` holds anything already or cannot be written.
    """
    try:
        check_vacant(path)
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / CONFIG, json.dumps(config, indent=2) + "\n")
    except OSError as error:
        raise _unwritable(path, error, "choose another directory") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run directory, made where it is missing, for this process alone.

    The kernel lets go of it when the process ends, however it ends. File systems
    without locks hold nothing.

    **Raises:** `UserError` when another process holds it or it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / _LOCK).open("a")
    except OSError as error:
        way_out = "make it writable, or choose another directory"
        raise _unwritable(path, error, way_out) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"--out {path} is in use by another process: wait until it has ended, "
                "or choose another directory"
            ) from error
        except OSError:
            pass
        yield


@contextmanager
def explained_write_errors(path: Path) -> Iterator[None]:
    """Turn what the system says within, as of a full disk, into a `UserError`."""
    try:
        yield
    except OSError as error:
        way_out = (
            "what was saved before is kept: make room, then repeat the command with "
            "--resume"
        )
        raise _unwritable(path, error, way_out) from error


def remove_leftovers(path: Path) -> None:
    """Remove the unfinished files of a process that was killed while it wrote."""
    for directory in (path, path / TRAINING):
        for file in directory.glob(f".*{_PART}"):
            file.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file, replacing an older one only once the new one is complete."""
    _write(path, lambda file: file.write(text.encode()))


def write_table(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write a CSV file with one column an array; floats keep 6 significant digits."""
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join(_cell(value) for value in row))
    write_text(path, "\n".join(lines) + "\n")


def write_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write named arrays in safetensors format, with words about them."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    _write(path, lambda file: file.write(save(whole, metadata)))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays of a file, and the words about them; nothing is executed.

    **Raises:** `ValueError` when it is not in safetensors format, `OSError` when it
    cannot be read.
    """
    # Read once: a file that changes meanwhile cannot be half of one and of another.
    data = path.read_bytes()
    try:
        arrays = load(data)
    except (SafetensorError, ArithmeticError, LookupError, TypeError) as error:
        raise ValueError(f"is damaged: {error}") from error
    size = int.from_bytes(data[:8], "little")
    return arrays, json.loads(data[8 : 8 + size]).get("__metadata__") or {}


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


def _is_content(path: Path) -> bool:
    hidden = path.name.startswith(".") and path.suffix == _PART
    return path.name != _LOCK and not hidden


def _unwritable(path: Path, error: OSError, way_out: str) -> UserError:
    reason = error.strerror or error
    return UserError(f"--out {path} cannot be written ({reason}): {way_out}")


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
    descriptor, name = tempfile.mkstemp(_PART, f".{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        # Already renamed, if the exception came after that.
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
