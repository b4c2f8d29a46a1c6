"""A directory is for one process at a time, and for one command."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from experiments.command.errors import UserError, reports_unwritable
from experiments.runs.directory import LOCK, begin, check_vacant


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run directory, made where it is missing, for this process alone.

    The kernel lets go of it when the process ends, however it ends. File systems
    without locks hold nothing.

    **Raises:** `UserError` when another process holds it or it cannot be written.
    """
    way_out = "make it writable, or choose another directory"
    with reports_unwritable(f"--out {path}", way_out):
        path.mkdir(parents=True, exist_ok=True)
        file = (path / LOCK).open("a")
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
def claimed(path: Path, config: Mapping) -> Iterator[None]:
    """Hold the directory of a command: a new one, or that of an earlier call of it.

    **Arguments:** `config`, what `config.json` says; its `command` is compared.

    **Raises:** `UserError` when `path` holds anything else, another process holds it,
    or something in it cannot be written.
    """
    with reports_unwritable(f"--out {path}"):
        check_vacant(path, config["command"])
        with locked(path):
            begin(path, config)
            yield
