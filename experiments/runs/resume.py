"""Runs that go on: the states in a run directory, read, checked and put in groups."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.command.errors import UserError
from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import Checkpoint, check_arrays, pack, unpack
from experiments.runs.progress import HISTORY_COLUMNS, Progress

FREE = {"epochs", "members_at_once", "save_every", "data_dir"}
FREE |= {"device", "versions", "earlier_versions", "seconds"}
"""Settings in which a run may go on otherwise than it began; epochs only grow."""

_OF_DATA = {"num_points", "num_visible", "class_names", "image_shape"}
_IN_WORDS = {
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
        whole = (self.out / run_directory.REPORT).is_file() and "seconds" in self.config
        return whole and self.config["epochs"] == self.epochs


@dataclass(frozen=True)
class Group:
    """Models that train together: how far they are, and from which states they go on.

    `states` is None before the first epoch.
    """

    numbers: np.ndarray
    progress: Progress
    states: dict[str, np.ndarray] | None


def read_saved(out: Path) -> Saved:
    """Read the settings of a run and all its states.

    **Raises:** `UserError` naming the file that is missing, damaged or unreadable.
    """
    path = out / run_directory.CONFIG
    try:
        config = json.loads(path.read_text())
        epochs = [config["epochs"], config["batch_epochs"]]
        if not all(type(number) is int and number > 0 for number in epochs):
            raise ValueError(f"epochs are {epochs}")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged, or not that of a run which can go on ({error!r}): put "
            "a copy of it in its place, or begin anew in another directory"
        ) from error
    files = sorted((out / run_directory.TRAINING).glob("*.safetensors"))
    checkpoints = {file: _read(file) for file in files}
    for checkpoint in checkpoints.values():
        epochs += [checkpoint.epoch, checkpoint.config["epochs"]]
    return Saved(out, config, max(epochs), checkpoints)


def check_saved(
    saved: Saved, config: dict, structure: Any, numbers: np.ndarray
) -> None:
    """Check that the run may go on with other settings, from the states it has.

    **Arguments:** `config`, asked for; `structure`, of one member's state; `numbers`,
    those of the models.

    **Raises:** `UserError` naming the settings that changed, or the file that belongs
    to another run or whose arrays do not fit.
    """
    changed = _changes(config, saved.config)
    if changed:
        raise UserError(
            f"--resume: {', '.join(changed)} in the run of --out {saved.out}: repeat "
            "its settings (only --epochs may grow), or begin another run"
        )
    if config["epochs"] < saved.epochs:
        raise UserError(
            f"--epochs {config['epochs']}: --out {saved.out} is a run of "
            f"{saved.epochs}, and epochs can only be added"
        )
    for path, checkpoint in saved.checkpoints.items():
        try:
            foreign = _changes(checkpoint.config, config)
            if foreign:
                raise ValueError(f"belongs to another run: {', '.join(foreign)} here")
            if not np.isin(checkpoint.numbers, numbers).all():
                raise ValueError(f"has models {checkpoint.numbers} of {len(numbers)}")
            check_arrays(checkpoint, structure, HISTORY_COLUMNS)
        except ValueError as error:
            raise _useless(path, error) from error


def form_groups(
    checkpoints: list[Checkpoint], numbers: np.ndarray, size: int
) -> list[Group]:
    """Groups of at most `size` neighbours that are equally far, covering `numbers`.

    Of a model in several checkpoints the latest counts.
    """
    found = {
        number: (checkpoint, row)
        for checkpoint in sorted(checkpoints, key=lambda each: each.epoch)
        for row, number in enumerate(checkpoint.numbers.tolist())
    }
    epochs = [found[n][0].epoch if n in found else 0 for n in numbers.tolist()]
    groups = []
    for equal in np.split(numbers, np.flatnonzero(np.diff(epochs)) + 1):
        for part in np.split(equal, range(size, len(equal), size)):
            sources = [found[n] for n in part.tolist() if n in found]
            groups.append(_join(part, sources))
    return groups


def write_groups(out: Path, config: dict, groups: list[Group]) -> None:
    """Make the files of states those of the groups, where the groups have changed."""
    begun = [group for group in groups if group.states is not None]
    wanted = {_file(out, group) for group in begun}
    present = set((out / run_directory.TRAINING).glob("*.safetensors"))
    if wanted != present:
        for group in begun:
            write_group(out, config, group)
        # Only now: until then every state is in a file, or in two that are equal.
        for path in present - wanted:
            path.unlink()


def write_group(out: Path, config: dict, group: Group) -> None:
    """Write the states of a group, in place of its older ones."""
    path = _file(out, group)
    path.parent.mkdir(exist_ok=True)
    progress = group.progress
    checkpoint = Checkpoint(
        config,
        group.numbers,
        progress.epoch,
        progress.seconds,
        group.states or {},
        progress.history(),
    )
    run_directory.write_arrays(path, *pack(checkpoint))


def _file(out: Path, group: Group) -> Path:
    name = f"models-{group.numbers[0]}-{group.numbers[-1]}.safetensors"
    return out / run_directory.TRAINING / name


def _read(path: Path) -> Checkpoint:
    try:
        checkpoint = unpack(*run_directory.read_arrays(path))
        if type(checkpoint.config.get("epochs")) is not int:
            raise ValueError("is damaged: its settings have no epochs")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _useless(path, error) from error
    return checkpoint


def _useless(path: Path, error: ValueError) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(
        f"{path} {reason}: put a copy of it in its place, or delete it to train its "
        "models from the beginning"
    )


def _join(numbers: np.ndarray, sources: list[tuple[Checkpoint, int]]) -> Group:
    """A group of rows of checkpoints that are equally far; of none, a new one."""
    if not sources:
        return Group(numbers, Progress(), None)
    first = sources[0][0]
    states = {
        name: np.stack([checkpoint.states[name][row] for checkpoint, row in sources])
        for name in first.states
    }
    history = {
        name: np.stack(
            [
                checkpoint.history[name].reshape(first.epoch, -1)[:, row]
                for checkpoint, row in sources
            ],
            axis=1,
        ).ravel()
        for name in first.history
    }
    seconds = sum(
        checkpoint.seconds / len(checkpoint.numbers) for checkpoint, _ in sources
    )
    return Group(numbers, Progress(first.epoch, [history], seconds), states)


def _changes(config: dict, before: dict) -> list[str]:
    """The settings of `config` that are others in `before`, in words."""
    names = (config.keys() | before.keys()) - FREE - _OF_DATA
    return [
        f"{_IN_WORDS.get(name) or '--' + name.replace('_', '-')} {config.get(name)} is "
        f"{before.get(name)}"
        for name in sorted(names)
        if config.get(name) != before.get(name)
    ]
