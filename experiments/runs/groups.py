"""Models that train together, and the files of their states."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import Checkpoint, pack
from experiments.runs.progress import Progress
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
    write_arrays(path, *pack(checkpoint))


def _file(out: Path, group: Group) -> Path:
    name = f"models-{group.numbers[0]}-{group.numbers[-1]}.safetensors"
    return out / run_directory.TRAINING / name


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
