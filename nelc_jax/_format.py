"""The format of files: named arrays in safetensors, and the latent space in words.

For `files` and the runs of `experiments`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from ._disk import read_whole, write_whole
from .latent import AbstractLatent, Binary, Gaussian, OneHot

SCHEMA = 2
"""Version of what a file holds; another one is not read."""

STATE_FORMAT = "nelc_jax training state"
"""The `format` of a file from which a training goes on."""

_ABOUT = "nelc_jax"


def write_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write named arrays in safetensors format, with words about them.

    **Raises:** `OSError` when the file cannot be written; an older one is then kept.
    """
    write_whole({path: array_bytes(arrays, metadata)})


def array_bytes(
    arrays: Mapping[str, np.ndarray], metadata: dict[str, str] | None = None
) -> bytes:
    """A file in safetensors format of named arrays, with words about them."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.save(whole, metadata)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays of a file, and the words about them.

    **Raises:** `ValueError` when it is not in safetensors format; `OSError` when it
    cannot be read.
    """
    data = read_whole(path)
    try:
        arrays = safetensors.load(data)
    except (SafetensorError, ArithmeticError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path}: no safetensors file, or damaged ({reason})"
        ) from error
    size = int.from_bytes(data[:8], "little")
    return arrays, json.loads(data[8 : 8 + size]).get("__metadata__") or {}


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
    known = (*latents, OneHot, Binary, Gaussian)
    if metadata.get("format") == STATE_FORMAT:
        raise ValueError(
            "has a state of training, from which a run goes on by --resume; expected "
            "the directory of the run, once it is finished"
        )
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
