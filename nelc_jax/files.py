"""Models in files: `save` and `load`, in NumPy's `.npz` format.

A file has the arrays `w`, `a`, `w_bar`, `a_bar`, that of a model also `x_mean`, and
`about`, a line of JSON that names the latent space. `numpy.load` reads it without this
library; nothing in it is executed.
"""

import io
import json
import os
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .checks import check_means
from .latent import Binary, Latent, OneHot
from .model import Model, Parameters

SCHEMA = 1
"""Version of what a file holds; another one is not read."""

_LATENTS = {"OneHot": OneHot, "Binary": Binary}
_SHAPES = {"w": "DL", "a": "D", "w_bar": "LD", "a_bar": "L", "x_mean": "D"}


def save(path: str | os.PathLike, model: Model | Parameters) -> None:
    """Write a model, or parameters alone, replacing an older file once it is whole.

    Numbers are stored as they are, also those of a training that diverged.

    **Arguments:** `path`, used as it is; `model`, one or an ensemble (leading axes).

    **Raises:** `TypeError` for anything else; `ValueError` for a latent space other
    than `OneHot` and `Binary`, or shapes that are not those of a model; `OSError` when
    the file cannot be written.
    """
    if not isinstance(model, Model | Parameters):
        raise TypeError(
            f"model is a {type(model).__name__}: expected a Model or its Parameters"
        )
    about: dict = {"schema": SCHEMA}
    parameters = model.parameters if isinstance(model, Model) else model
    arrays = {
        f.name: np.asarray(getattr(parameters, f.name)) for f in fields(Parameters)
    }
    if isinstance(model, Model):
        latent = model.latent
        name = type(latent).__name__
        if not isinstance(latent, OneHot | Binary) or name not in _LATENTS:
            raise ValueError(
                f"model: the latent space {name} is not OneHot or Binary: save "
                "model.parameters instead"
            )
        about["latent"] = {"name": name, **asdict(latent)}
        arrays["x_mean"] = np.asarray(model.x_mean)
    _check_shapes(arrays)
    _write(Path(path), {**arrays, "about": np.array(json.dumps(about))})


def load(path: str | os.PathLike) -> Model | Parameters:
    """Read what `save` wrote: a `Model`, or `Parameters` if these were saved alone.

    **Raises:** `ValueError` naming the file when it is damaged, of something else, or
    in double precision while JAX's is off; `OSError` when it cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        arrays, latent = _parse(data)
    # Any: what NumPy and zipfile raise for a damaged file has no common class.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: {reason}") from error
    return _build([jnp.asarray(array) for array in arrays], latent)


def _parse(data: bytes) -> tuple[list[np.ndarray], Latent | None]:
    """The arrays in the order of `_SHAPES`, and the latent space of a model."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError("no .npz file, or one cut short")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    try:
        about = json.loads(str(arrays.pop("about")))
        schema, of_model = about["schema"], "latent" in about
    except (LookupError, TypeError, json.JSONDecodeError) as error:
        raise ValueError("was not written by nelc_jax.save") from error
    if schema != SCHEMA:
        raise ValueError(f"has schema {schema}, and this version reads {SCHEMA}")
    names = list(_SHAPES) if of_model else list(_SHAPES)[:-1]
    if sorted(arrays) != sorted(names):
        raise ValueError(f"has arrays {sorted(arrays)} instead of {sorted(names)}")
    _check_shapes(arrays)
    return [arrays[name] for name in names], _latent(about, arrays["a_bar"].shape[-1])


def _latent(about: dict, units: int) -> Latent | None:
    if "latent" not in about:
        return None
    try:
        settings = dict(about["latent"])
        latent = _LATENTS[settings.pop("name")](**settings)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"has latent space {about['latent']}") from error
    if latent.num_units != units:
        raise ValueError(f"has {latent.num_units} latent units, and a_bar {units}")
    return latent


def _build(arrays, latent):
    """The model or the parameters; of an ensemble under `vmap`, as shapes demand."""

    def one(w, a, w_bar, a_bar, x_mean=None):
        parameters = Parameters(w, a, w_bar, a_bar)
        return parameters if x_mean is None else Model(parameters, x_mean, latent)

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
    if "x_mean" in arrays:
        check_means("x_mean", arrays["x_mean"])
    if w.dtype != jax.dtypes.canonicalize_dtype(w.dtype):
        raise ValueError(f"arrays of type {w.dtype}: set jax_enable_x64 to have them")


def _write(path: Path, arrays: dict[str, np.ndarray]):
    descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, **arrays)  # pyright: ignore
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        # Already renamed, if the exception came after that.
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
