"""Models that train together, and the files of their states."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import Checkpoint, pack
from experiments.runs.progress import Progress, join_rows
from experiments.runs.records import Records
from nelc_jax._format import write_arrays


@dataclass(frozen=True)
class Group:
    """Models that train together: how far they are, and from which states they go on.

    `states` is None before the first epoch.
    """

    numbers: np.ndarray
    progress: Progress
    states: dict[str, np.ndarray] | None


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


class GroupFiles:
    """The files of a group in training/: its latest state, and its history so far."""

    def __init__(self, out: Path, config: dict, group: Group):
        first, last = group.numbers[0], group.numbers[-1]
        self.path = out / run_directory.TRAINING / f"models-{first}-{last}.safetensors"
        self._config = config
        self._numbers = group.numbers
        self._records = Records(history_of(self.path))
        rows = group.progress.rows
        if rows:
            self._records.know(join_rows(rows))
        self._written = len(rows)

    def write(self, group: Group) -> None:
        """Write all of a group, in place of whatever the files hold."""
        self._records.replace(group.progress.history())
        self._write_state(group.progress, group.states)

    def save(self, progress: Progress, states: dict) -> dict[str, np.ndarray]:
        """Write a state, and the rows of the history since the last; returns these."""
        self.path.parent.mkdir(exist_ok=True)
        new = join_rows(progress.rows[self._written :])
        self._records.append(new)
        self._write_state(progress, states)
        self._written = len(progress.rows)
        return new

    def _write_state(self, progress: Progress, states: dict | None):
        packed = pack(
            self._config,
            self._numbers,
            progress.epoch,
            progress.seconds,
            states or {},
            self._records,
        )
        write_arrays(self.path, *packed)


def state_files(out: Path) -> list[Path]:
    """The files of states in a run directory; any others there are somebody else's."""
    names = re.compile(r"models-\d+-\d+\.safetensors")
    found = (out / run_directory.TRAINING).glob("*.safetensors")
    return sorted(path for path in found if names.fullmatch(path.name))


def history_of(state: Path) -> Path:
    """The file of the history that belongs to a state."""
    return state.with_suffix(".history")


def write_groups(out: Path, config: dict, groups: list[Group]) -> None:
    """Make the files of states those of the groups, where the groups have changed."""
    begun = [group for group in groups if group.states is not None]
    wanted = {GroupFiles(out, config, group).path for group in begun}
    present = set(state_files(out))
    if wanted != present:
        for group in begun:
            GroupFiles(out, config, group).write(group)
        # Only now: until then every state is in a file, or in two that are equal.
        for path in present - wanted:
            path.unlink()
            history_of(path).unlink(missing_ok=True)


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
