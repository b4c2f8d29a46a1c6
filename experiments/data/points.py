"""Data of one's own: NumPy files of zeros and ones."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from experiments.command.errors import UserError
from experiments.data.dataset import Dataset, square


def read_points(path: Path) -> Dataset:
    """The points `x` and optional `labels` of a file.

    **Raises:** `UserError` naming the file and what is wrong with it.
    """
    arrays = _own_arrays(path)
    if "x" not in arrays:
        raise UserError(
            f"--dataset {path} has arrays {sorted(arrays)}: expected x (N, D), and "
            "labels (N,) where there are classes"
        )
    x, labels = arrays["x"], arrays.get("labels")
    x = _checked_points(path, x)
    image_shape = square(x.shape[1])
    if labels is None:
        return Dataset(path.name, x, None, (), image_shape)
    if labels.shape != (len(x),):
        raise UserError(
            f"--dataset {path}: labels have shape {labels.shape}, expected ({len(x)},) "
            "to match x"
        )
    names, codes = np.unique(labels, return_inverse=True)
    return Dataset(
        path.name,
        x,
        codes.astype(np.int32),
        tuple(str(name) for name in names),
        image_shape,
    )


def _own_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            return dict(loaded)
    except FileNotFoundError:
        raise UserError(f"--dataset {path} does not exist") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"--dataset {path} cannot be read as NumPy data: {reason}"
        ) from error


def _checked_points(path: Path, x: np.ndarray) -> Bool[np.ndarray, "N D"]:
    if x.ndim != 2 or 0 in x.shape:
        raise UserError(
            f"--dataset {path}: x has shape {x.shape}, expected (N, D) with N and D "
            "at least 1"
        )
    if x.dtype.kind not in "biuf":
        raise UserError(
            f"--dataset {path}: x has dtype {x.dtype}, expected zeros and ones"
        )
    wrong = ~((x == 0) | (x == 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise UserError(
            f"--dataset {path}: x[{row}, {column}] is {x[row, column]}, expected 0 or "
            f"1 everywhere ({int(wrong.sum())} other values): threshold the data first"
        )
    return x.astype(bool)
