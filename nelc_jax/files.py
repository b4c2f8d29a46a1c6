"""Models in files: `save` and `load`, in the safetensors format.

A file has the arrays `w`, `a`, `w_bar`, `a_bar` and `x_mean`, and in its metadata a
line of JSON that names the latent space: it says by itself what model it is. Any reader
of safetensors opens it; nothing in it is executed. The checkpoint of a run is such a
file, with further arrays in it.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from ._checks import check_means
from .latent import AbstractLatent, Binary, OneHot
from .model import Model, Parameters

__all__ = [
    "latent_from",
    "latent_in_words",
    "load",
    "read_arrays",
    "save",
    "write_arrays",
    "write_atomically",
]

SCHEMA = 2
"""Version of what a file holds; another one is not read."""

CHECKPOINT = "checkpoint.safetensors"
"""The file of models in the directory of a run."""

PART = ".part"
"""How the name of a file ends that is not whole yet; it begins with a dot."""

_ABOUT = "nelc_jax"
_SHAPES = {"w": "DL", "a": "D", "w_bar": "LD", "a_bar": "L", "x_mean": "D"}


def save(
    path: str | os.PathLike,
    model: Model,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a model, replacing an older file once the new one is whole.

    Numbers are stored as they are, also those of a training that diverged.

    **Arguments:** `path`, used as it is; `model`, one or an ensemble (leading axes);
    `arrays`, others to keep beside it, under other names.

    **Raises:** `TypeError` for anything else than a model; `ValueError` for shapes that
    are not those of a model, names that it needs itself, or a latent space whose fields
    JSON does not have; `OSError` when the file cannot be written.
    """
    if not isinstance(model, Model):
        raise TypeError(
            f"model is a {type(model).__name__}: expected a Model, as "
            "rule.model(state) gives"
        )
    own = {f.name: getattr(model.parameters, f.name) for f in fields(Parameters)}
    own = {name: np.asarray(array) for name, array in own.items()}
    own["x_mean"] = np.asarray(model.x_mean)
    _check_shapes(own)
    taken = sorted(own.keys() & (arrays or {}).keys())
    if taken:
        raise ValueError(f"arrays has {taken}: expected names that a model has not")
    write_arrays(Path(path), {**own, **(arrays or {})}, latent_in_words(model.latent))


def load(
    path: str | os.PathLike, latents: Sequence[type[AbstractLatent]] = ()
) -> Model:
    """Read a model, or an ensemble, that `save` wrote or a run has trained.

    **Arguments:** `path`, a file, or the directory of a finished run; `latents`,
    classes of latent spaces from outside of this library that it may have.

    **Raises:** `ValueError` naming the file when it is damaged, of something else, has
    an unknown latent space, or is in double precision while JAX's is off; `OSError`
    when it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / CHECKPOINT).is_file():
            raise ValueError(
                f"{path}: has no {CHECKPOINT}; expected a file of nelc_jax.save, or "
                "the directory of a finished run"
            )
        path = path / CHECKPOINT
    try:
        arrays, metadata = read_arrays(path)
        latent = latent_from(metadata, latents)
        missing = [name for name in _SHAPES if name not in arrays]
        if missing:
            raise ValueError(f"has no array {', '.join(missing)}")
        own = {name: arrays[name] for name in _SHAPES}
        _check_shapes(own)
        if latent.num_units != own["a_bar"].shape[-1]:
            units = own["a_bar"].shape[-1]
            raise ValueError(f"has {latent.num_units} latent units, and a_bar {units}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return _build([jnp.asarray(array) for array in own.values()], latent)


def write_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write named arrays in safetensors format, with words about them.

    **Raises:** `OSError` when the file cannot be written; an older one is then kept.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(path, safetensors.save(whole, metadata))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays of a file, and the words about them.

    **Raises:** `ValueError` when it is not in safetensors format; `OSError` when it
    cannot be read.
    """
    # Read once: a file that changes meanwhile cannot be half of one and of another.
    data = path.read_bytes()
    try:
        arrays = safetensors.load(data)
    except (SafetensorError, ArithmeticError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path}: no safetensors file, or damaged ({reason})"
        ) from error
    size = int.from_bytes(data[:8], "little")
    return arrays, json.loads(data[8 : 8 + size]).get("__metadata__") or {}


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file, replacing an older one only once the new one is on the disk.

    **Raises:** `OSError` when it cannot be written; an older one is then kept.
    """
    try:
        descriptor, name = tempfile.mkstemp(PART, f".{path.name}.", path.parent)
    except OSError as error:
        # Of the file that is asked for, not of the one beside it.
        error.filename = str(path)
        raise
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        # Already renamed, if the exception came after that.
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def latent_in_words(latent: AbstractLatent) -> dict[str, str]:
    """The metadata of a file that name the latent space of its models.

    **Raises:** `ValueError` for a space whose fields JSON does not have.
    """
    about = {"name": type(latent).__name__, **asdict(latent)}
    try:
        return {_ABOUT: json.dumps({"schema": SCHEMA, "latent": about})}
    except TypeError as error:
        raise ValueError(
            f"latent={latent}: expected fields of numbers and words"
        ) from error


def latent_from(
    metadata: Mapping[str, str], latents: Sequence[type[AbstractLatent]] = ()
) -> AbstractLatent:
    """The latent space that the metadata of a file name.

    **Arguments:** `metadata`; `latents`, classes from outside of this library.

    **Raises:** `ValueError` for metadata without one, or an unknown one.
    """
    known = (*latents, OneHot, Binary)
    try:
        about = json.loads(metadata[_ABOUT])
        schema, settings = about["schema"], dict(about["latent"])
        name = settings.pop("name")
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            "has no model; expected a file of nelc_jax.save, or a finished run"
        ) from error
    if schema != SCHEMA:
        raise ValueError(f"has schema {schema}, and this version reads {SCHEMA}")
    for each in known:
        if each.__name__ == name:
            try:
                return each(**settings)
            except (TypeError, ValueError) as error:
                raise ValueError(f"has latent space {about['latent']}") from error
    raise ValueError(
        f"has latent space {name}: expected one of "
        f"{', '.join(each.__name__ for each in known)}; give its class in latents=(...)"
    )


def _build(arrays: list[jax.Array], latent: AbstractLatent) -> Model:
    """The model; of an ensemble under `vmap`, as shapes demand."""

    def one(w, a, w_bar, a_bar, x_mean):
        return Model(Parameters(w, a, w_bar, a_bar), x_mean, latent)

    for _ in range(arrays[1].ndim - 1):
        one = jax.vmap(one)
    return one(*arrays)


def _check_shapes(arrays: dict[str, np.ndarray]):
    """Check that arrays are those of one model, or of models along leading axes."""
    w = arrays["w"]
    if w.ndim < 2 or 0 in w.shape:
        raise ValueError(f"w of shape {w.shape}, expected (..., D, L)")
    *leading, visible, units = w.shape
    sizes = {"D": visible, "L": units}
    for name, array in arrays.items():
        expected = (*leading, *(sizes[axis] for axis in _SHAPES[name]))
        if array.shape != expected:
            raise ValueError(
                f"{name} of shape {array.shape} beside w of shape {w.shape}, "
                f"expected {expected}"
            )
        if array.dtype != w.dtype or array.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"{name} of type {array.dtype} beside w of type {w.dtype}, "
                "expected float32 or float64"
            )
    check_means("x_mean", arrays["x_mean"])
    if w.dtype != jax.dtypes.canonicalize_dtype(w.dtype):
        raise ValueError(f"arrays of type {w.dtype}: set jax_enable_x64 to have them")
