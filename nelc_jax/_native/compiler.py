"""From `cycles.c` to a loaded library: compiled once, kept in the user's cache.

Nothing here raises but `Unavailable`, which says in one line why there is no library.
"""

import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import jax
import jaxlib.version

from .._cache import own_directory, processor

SOURCE = Path(__file__).with_name("cycles.c")

FLAGS = (
    *("-std=gnu11", "-O2", "-shared", "-fPIC", "-w"),
    # Multiplication and addition in one, as XLA does; roots and comparisons without
    # regard to errno and traps.  Not -ffast-math, which reorders roundings.
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
    "-fno-strict-aliasing",
)
SECONDS = 120
"""Longest compilation; it takes one or two."""

TASKS = ("train", "gradient", "chain", "average")


class Unavailable(Exception):
    """Why there is no native path, in one line."""


@functools.cache
def shared_object(width: int) -> ctypes.CDLL | None:
    """The library for rows of `width` numbers, its functions registered, or None.

    `NELC_JAX_NATIVE=0` in the environment switches it off; `1` warns where it cannot be
    had.
    """
    try:
        return _register(width)
    except Unavailable as why:
        if os.environ.get("NELC_JAX_NATIVE") == "1":
            warnings.warn(f"NELC_JAX_NATIVE=1: {why}; XLA is used", stacklevel=2)
        return None


@functools.cache
def native_path() -> str:
    """What trains one-hot cycles on a CPU: a compiler's version, or why it is XLA."""
    try:
        command = find_compiler()
        _register(8)
    except Unavailable as why:
        return f"XLA ({why})"
    return f"native ({version_of(command)})"


def target(task: str, width: int) -> str:
    """The name under which XLA knows a function."""
    return f"nelc_jax_{task}_{width}"


def find_compiler() -> tuple[str, ...]:
    """The command of a C compiler: `CC`, the machine's, or the `ziglang` package's.

    **Raises:** `Unavailable`.
    """
    if os.environ.get("NELC_JAX_NATIVE") == "0":
        raise Unavailable("NELC_JAX_NATIVE=0")
    if sys.platform not in ("linux", "darwin"):
        raise Unavailable(f"not on {sys.platform}")
    asked = os.environ.get("CC", "").split()
    for name in [*asked[:1]] if asked else ["gcc", "clang", "cc"]:
        path = shutil.which(name)
        if path is not None:
            return (path, *asked[1:])
    if importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    raise Unavailable("no C compiler; pip install ziglang has one")


def version_of(command: tuple[str, ...]) -> str:
    """The first line of what a compiler says of itself."""
    done = _run((*command, "--version"))
    return done.stdout.splitlines()[0] if done.stdout else command[0]


def cache_directory() -> Path:
    """The user's own directory for compiled libraries, made if need be.

    **Raises:** `Unavailable` where it cannot be made or others can write to it.
    """
    try:
        return own_directory("native")
    except OSError as error:
        raise Unavailable(f"no cache directory: {error}") from None


def compiled(width: int, command: tuple[str, ...], directory: Path) -> Path:
    """The path of the library for rows of `width` numbers, compiled unless it is there.

    **Raises:** `Unavailable`.
    """
    arguments = (*FLAGS, *machine(width))
    path = directory / f"{_key(command, arguments)}.so"
    if _is_whole(path):
        return path
    try:
        with tempfile.TemporaryDirectory(dir=directory) as place:
            made = Path(place) / "cycles.so"
            include = ("-I", jax.ffi.include_dir())
            done = _run(
                (*command, *arguments, *include, str(SOURCE), "-o", str(made), "-lm")
            )
            if done.returncode or not made.exists():
                said = (done.stderr or "").strip().splitlines() or ["no output"]
                raise Unavailable(f"{command[0]} failed: {said[0]:.200}")
            # Behind the library, its digest; renamed once whole, so that no process
            # ever finds half a file.
            made.write_bytes(_with_digest(made.read_bytes()))
            made.chmod(0o700)
            os.replace(made, path)
    except OSError as error:
        raise Unavailable(f"cannot write to {directory}: {error.strerror}") from None
    return path


def machine(width: int) -> tuple[str, ...]:
    """The flags for this machine's instructions and rows of `width` numbers."""
    native = "march" if platform.machine() in ("x86_64", "AMD64") else "mcpu"
    return (f"-{native}=native", f"-DP={width}")


def load(path: Path) -> ctypes.CDLL:
    """The library at a path, with all its functions.

    **Raises:** `Unavailable`.
    """
    try:
        loaded = ctypes.CDLL(str(path))
        for task in TASKS:
            getattr(loaded, f"nelc_{task}")
    except (OSError, AttributeError) as error:
        raise Unavailable(f"cannot load {path.name}: {error}") from None
    return loaded


@functools.cache
def _register(width: int) -> ctypes.CDLL:
    loaded = load(compiled(width, find_compiler(), cache_directory()))
    for task in TASKS:
        function = jax.ffi.pycapsule(getattr(loaded, f"nelc_{task}"))
        jax.ffi.register_ffi_target(target(task, width), function, platform="cpu")
    return loaded


def _run(command: tuple[str, ...]) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took more than {SECONDS} s") from None
    except OSError as error:
        raise Unavailable(f"{command[0]} failed: {error.strerror}") from None


def _key(command: tuple[str, ...], arguments: tuple[str, ...]) -> str:
    """Of all that the library depends on: homes are shared by different machines."""
    compiler = Path(command[0]).stat()
    parts = (
        SOURCE.read_text(),
        *command,
        *arguments,
        str((compiler.st_size, compiler.st_mtime)),
        jaxlib.version.__version__,
        platform.platform(),
        processor(),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _with_digest(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def _is_whole(path: Path) -> bool:
    """Whether a file is there, the user's own, and what was once written."""
    try:
        state = path.lstat()
        content = path.read_bytes()
    except OSError:
        return False
    own = stat.S_ISREG(state.st_mode) and state.st_uid == os.getuid()
    return own and _with_digest(content[:-32]) == content
