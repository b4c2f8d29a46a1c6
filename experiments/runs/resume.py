"""Runs that go on: the states in a run directory, read and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.command.errors import UserError
from experiments.command.invocation import CALL, RESUMED
from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import Checkpoint, check_arrays, unpack
from experiments.runs.groups import history_of, state_files
from experiments.runs.progress import HISTORY_COLUMNS
from nelc_jax._disk import read_config, read_whole
from nelc_jax._format import read_arrays

FREE = {"epochs", "members_at_once", "save_every"}
FREE |= {"dataset", "dataset_path", "data_dir"}
FREE |= {"device", "versions", "earlier_versions", "seconds", *CALL, RESUMED}
"""Settings in which a run may go on otherwise than it began; epochs only grow.

Data may lie elsewhere: their digest is what they are known by.
"""

_OF_DATA = {"num_points", "num_visible", "class_names", "image_shape"}
_IN_WORDS = {
    "rule": "the rule",
    "diagnostics": "the diagnostics",
    "optimizer_digest": "the program of the optimiser",
    "data_digest": "the digest of --dataset's data",
    "processes": "the number of processes",
}


@dataclass(frozen=True)
class Saved:
    """What a run directory holds of a run: settings, and states by their files.

    `config` is that of the last results, `epochs` what was asked for since.
    """

    out: Path
    config: dict
    epochs: int
    checkpoints: dict[Path, Checkpoint]

    @property
    def finished(self) -> bool:
        """Whether the results of all epochs are written; the last is the report."""
        whole = (self.out / run_directory.REPORT).is_file()
        same = self.config["epochs"] == self.epochs
        return whole and same and run_directory.holds_results(self.out)


def read_saved(out: Path) -> Saved:
    """Read the settings of a run and all its states.

    **Raises:** `UserError` naming the file that is missing, damaged or unreadable.
    """
    path = out / run_directory.CONFIG
    try:
        config, _ = read_config(out)
        epochs = [config.get(name, 0) for name in ("epochs", "batch_epochs")]
        if not all(type(number) is int and number > 0 for number in epochs):
            raise ValueError("its epochs and batch_epochs are no positive numbers")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(
            f"{path} is not that of a run which can go on ({error}): put a copy of it "
            "in its place, or begin anew in another directory"
        ) from error
    checkpoints = {file: read_checkpoint(file) for file in state_files(out)}
    for checkpoint in checkpoints.values():
        epochs += [checkpoint.epoch, checkpoint.config["epochs"]]
    return Saved(out, config, max(epochs), checkpoints)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file of states.

    **Raises:** `UserError` naming the file when it is damaged, unreadable or of
    something else.
    """
    try:
        arrays, words = read_arrays(path)
        history = history_of(path)
        records = read_whole(history) if history.exists() else b""
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        damaged = ValueError("is damaged, or no safetensors file")
        raise _useless(path, damaged) from error
    try:
        checkpoint = unpack(arrays, words, records)
        if type(checkpoint.config.get("epochs")) is not int:
            raise ValueError("is damaged: its settings have no epochs")
    except ValueError as error:
        raise _useless(path, error) from error
    return checkpoint


def check_saved(
    saved: Saved, config: dict, structure: Any, numbers: np.ndarray
) -> None:
    """Check that the run may go on with other settings, from the states it has.

    **Arguments:** `config`, asked for; `structure`, of one member's state; `numbers`,
    those of the models.

    **Raises:** `UserError` naming the settings that changed, or the file that belongs
    to another run or whose arrays do not fit.
    """
    changed = changes(config, saved.config)
    if changed:
        raise UserError(
            f"--resume: the run of --out {saved.out} is another: "
            f"{', '.join(changed)}: repeat its settings (only --epochs may grow), or "
            "begin another run"
        )
    if config["epochs"] < saved.epochs:
        raise UserError(
            f"--epochs {config['epochs']}: --out {saved.out} is a run of "
            f"{saved.epochs}, and epochs can only be added"
        )
    for path, checkpoint in saved.checkpoints.items():
        try:
            foreign = changes(config, checkpoint.config)
            if foreign:
                raise ValueError(f"belongs to another run: {', '.join(foreign)}")
            if not np.isin(checkpoint.numbers, numbers).all():
                raise ValueError(f"has models {checkpoint.numbers} of {len(numbers)}")
            check_arrays(checkpoint, structure, HISTORY_COLUMNS)
        except ValueError as error:
            raise _useless(path, error) from error


def changes(config: dict, before: dict) -> list[str]:
    """The settings of `config` that are others in `before`, in words."""
    names = (config.keys() | before.keys()) - FREE - _OF_DATA
    if config.get("versions") != before.get("versions"):
        names -= {"optimizer_digest"}
    return [
        f"{_IN_WORDS.get(name) or '--' + name.replace('_', '-')} {config.get(name)} "
        f"where it has {before.get(name)}"
        for name in sorted(names)
        if config.get(name) != before.get(name)
    ]


def _useless(path: Path, error: ValueError) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(
        f"{path} {reason}: put a copy of it and of its .history in their place, or "
        "delete it to train its models from the beginning"
    )
