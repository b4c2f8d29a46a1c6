"""Files that are whole or not there, and that belong together.

The results of a run are several files. Its `config.json` takes its name last, and holds
the digest of each: who reads them can tell whether all are of one run.
"""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

CONFIG, RESULTS = "config.json", "results"
"""The file of a run's settings, and its entry for the digests of the results."""

PART = ".nelc-part"
"""How the name of a file ends that is not whole yet; it begins with a dot."""


def read_whole(path: Path) -> bytes:
    """The bytes of a file, read once: it cannot be half of one and half of another.

    **Raises:** `OSError` when it cannot be read, or is a pipe or device, which might
    never end.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()


def write_whole(files: Mapping[Path, bytes], stale: Path | None = None) -> None:
    """Write files, replacing older ones only once all the new ones are on the disk.

    They take their names in the given order, so that the last can vouch for the others.

    **Arguments:** `files`, contents by path; `stale`, a file that was made from the
    older ones, removed before the first takes its name.

    **Raises:** `OSError` when one cannot be written; the older ones are then kept.
    """
    parts: list[tuple[Path, Path]] = []
    try:
        for path, data in files.items():
            part = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}{PART}")
            try:
                with part.open("xb") as file:
                    parts.append((part, path))
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                # Of the file that is asked for, not of the one beside it.
                error.filename = str(path)
                raise
        if stale is not None:
            stale.unlink(missing_ok=True)
        for part, path in parts:
            os.replace(part, path)
    except BaseException:
        # Some have their names already, if the exception came after that.
        for part, _ in parts:
            with suppress(FileNotFoundError):
                part.unlink()
        raise


def digest_of(data: bytes) -> str:
    """The digest by which a `config.json` names a file."""
    return hashlib.sha256(data).hexdigest()


def read_config(directory: Path) -> tuple[dict, dict[str, str]]:
    """The settings in a directory, and the digests of its results; none if unfinished.

    **Raises:** `ValueError` when they are no settings; `OSError` when they cannot be
    read.
    """
    path = directory / CONFIG
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, f"{CONFIG} is missing")
    try:
        config = json.loads(read_whole(path))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{CONFIG} is damaged ({reason})") from error
    results = config.pop(RESULTS, {}) if isinstance(config, dict) else None
    if not isinstance(results, dict):
        raise ValueError(f"{CONFIG} is damaged (expected settings by their names)")
    return config, {str(name): str(digest) for name, digest in results.items()}


def config_bytes(config: Mapping, results: Mapping[str, bytes] | None = None) -> bytes:
    """A `config.json`; of finished results, by the names of their files, with digests.

    One of them is that of the settings themselves.
    """
    whole = dict(config)
    if results is not None:
        digests = {name: digest_of(data) for name, data in results.items()}
        whole[RESULTS] = {**digests, CONFIG: _digest_of_settings(config)}
    return (json.dumps(whole, indent=2) + "\n").encode()


def check_results(directory: Path, config: Mapping, digests: Mapping[str, str]) -> None:
    """Check that the files of a result are those that `config.json` names.

    **Arguments:** `config` and `digests`, as `read_config` gave them before the files
    were read.

    **Raises:** `ValueError` naming the first that is not, or when it names none.
    """
    if not digests:
        raise ValueError(f"is not finished: {CONFIG} names no results")
    if digests.get(CONFIG) != _digest_of_settings(config):
        raise ValueError(f"is not as it was finished: {CONFIG} was changed")
    for name, digest in digests.items():
        path = directory / name
        if name == CONFIG:
            continue
        if not path.exists():
            raise ValueError(f"is not a finished run: {name} is missing")
        if digest_of(read_whole(path)) != digest:
            raise ValueError(
                f"is not as it was finished: {name} is another than {CONFIG} names"
            )


def _digest_of_settings(config: Mapping) -> str:
    # As they are read back: of tuples become lists.
    return digest_of(
        json.dumps(json.loads(json.dumps(config)), sort_keys=True).encode()
    )
