"""The user's own cache directory, for what was compiled."""

import os
import platform
import stat
from pathlib import Path


def own_directory(name: str) -> Path:
    """A directory of the user alone in her cache, made if need be.

    **Raises:** `OSError` where it cannot be made, or others can read or write in it.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:
        raise FileNotFoundError(str(error)) from None
    directory = base / "nelc_jax" / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    state = directory.stat()
    if state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077:
        raise PermissionError(f"{directory} is open to others: chmod 700 it")
    return directory


def processor() -> str:
    """The instruction sets of this machine: homes are shared by different ones."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(named)}))
