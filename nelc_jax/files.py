"""Models in files: `save` and `load`, in the safetensors format.

A file has the arrays `w`, `a`, `w_bar`, `a_bar` and `x_mean`, and in its metadata a
line of JSON that names the latent space: it says by itself what model it is. Any reader
of safetensors opens it; nothing in it is executed. The checkpoint of a run is such a
file, with further arrays in it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ._checks import check_means
from ._disk import CONFIG, check_results, read_config
from ._format import latent_from, latent_in_words, read_arrays, write_arrays
from .latent import AbstractLatent
from .model import Model, Parameters

__all__ = ["load", "save"]

CHECKPOINT = "checkpoint.safetensors"
"""The file of models in the directory of a run."""

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
    an unknown latent space, or is in double precision while JAX's is off, and for the
    directory of a run that is not finished; `OSError` when it cannot be read.
    """
    path = run = Path(path)
    if path.is_dir():
        if not (path / CHECKPOINT).is_file():
            raise ValueError(
                f"{path}: has no {CHECKPOINT}; expected a file of nelc_jax.save, or "
                "the directory of a finished run"
            )
        path = run / CHECKPOINT
    # Files of `save` may lie in any directory; a run has its settings beside them.
    of_run = run != path and (run / CONFIG).exists()
    try:
        known = read_config(run) if of_run else None
        arrays, metadata = read_arrays(path)
        if known is not None:
            check_results(run, *known)
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
        raise ValueError(f"{run}: {error}") from error
    return _build([jnp.asarray(array) for array in own.values()], latent)


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
