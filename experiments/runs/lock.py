"""A directory is for one process at a time, and for one command."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.command.errors import UserError, reports_unwritable
from experiments.runs.directory import (
    FIGURES,
    LOCK,
    REPORT,
    TRAINING,
    begin,
    check_vacant,
    finish,
)
from experiments.runs.files import remove_leftovers

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run directory, made where it is missing, for this process alone.

    The system lets go of it when the process ends, however it ends. File systems
    without locks hold nothing.

    **Raises:** `UserError` when another process holds it, it cannot be written, the
    file that is locked is not of these commands, or a folder in it is elsewhere.
    """
    file = path / LOCK
    lock = FileLock(file, blocking=False)
    way_out = "make it writable, or choose another directory"
    with reports_unwritable(f"--out {path}", way_out):
        path.mkdir(parents=True, exist_ok=True)
        # Neither followed nor emptied where somebody else put it there.
        if file.is_symlink() or (file.exists() and not _is_empty(file)):
            raise UserError(f"{file} is not an empty file: remove it")
        for folder in (path / FIGURES, path / TRAINING):
            if folder.is_symlink():
                raise UserError(f"{folder} is a link: remove it, or what it leads to")
        try:
            lock.acquire()
        except Timeout as error:
            raise UserError(
                f"{path} is in use by another process: wait until it has ended, "
                "or choose another directory"
            ) from error
        # filelock's own error before its version 4, and the system's.
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(
    path: Path, config: Mapping, results: Sequence[str], settings: str | None = None
) -> Iterator[None]:
    """Hold the directory of a command: a new one, or that of an earlier call of it.

    The results of an earlier call are removed first. Those of this one count once all
    is done.

    **Arguments:** `config`, what `config.json` says; its `command` is compared.
    `results`, the names of the files that are made; `settings`, what `settings.toml`
    says.

    **Raises:** `UserError` when `path` holds anything else, another process holds it,
    or something in it cannot be written.
    """
    with _held(path, config, config["command"], settings):
        for name in results:
            (path / name).unlink(missing_ok=True)
        yield
        finish(path, config, results)


@contextmanager
def taken_up(
    path: Path, config: Mapping, settings: str | None = None
) -> Iterator[None]:
    """Hold the directory of a run: a new one, or one of the same command unfinished.

    **Raises:** `UserError` as `claimed`, and for a run that is finished.
    """
    with reports_unwritable(f"--out {path}"):
        finished = (path / REPORT).exists()
    with _held(path, config, None if finished else config["command"], settings):
        yield


@contextmanager
def _held(
    path: Path, config: Mapping, command: str | None, settings: str | None
) -> Iterator[None]:
    with reports_unwritable(f"--out {path}"):
        check_vacant(path, command)
        with locked(path):
            # Once more: another process may have begun in it meanwhile.
            check_vacant(path, command)
            begin(path, config, settings)
            remove_leftovers(path, path / FIGURES)
            yield


def _is_empty(file: Path) -> bool:
    return file.is_file() and file.stat().st_size == 0
