"""Data of one's own: NumPy files of zeros and ones."""

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from numpy.lib import format as npy

from experiments.command.errors import UserError
from experiments.command.memory import check_memory
from experiments.data.dataset import Dataset, square


def read_points(path: Path) -> Dataset:
    """The points `x` and optional `labels` of a file.

    **Raises:** `UserError` naming the file and what is wrong with it.
    """
    try:
        if not path.exists():
            raise UserError(f"--dataset {path} does not exist")
        if not path.is_file():
            raise UserError(f"--dataset {path} is not a file of NumPy data")
        arrays = _own_arrays(path)
    except UserError:
        raise
    # A file of somebody else may be damaged, or made, to raise anything.
    except Exception as error:
        reason = str(error) or repr(error)
        raise UserError(
            f"--dataset {path} cannot be read as NumPy data: {reason}"
        ) from error
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
        tuple(map(_in_words, names)),
        image_shape,
    )


def _in_words(label) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _own_arrays(path: Path) -> dict[str, np.ndarray]:
    """`x`, and `labels` where there are any."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return {"x": _read_array(path, "x", file, path.stat().st_size)}
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "x" not in names:
            sparse = "x.toarray() of the SciPy matrix as " if "indptr" in names else ""
            raise UserError(
                f"--dataset {path} has arrays {sorted(names)}: expected {sparse}x "
                "(N, D), and labels (N,) where there are classes"
            )
        arrays = {}
        for name in sorted({"x", "labels"}.intersection(names)):
            size = archive.getinfo(f"{name}.npy").file_size
            with archive.open(f"{name}.npy") as file:
                arrays[name] = _read_array(path, name, file, size)
    return arrays


def _read_array(path: Path, name: str, file, size: int) -> np.ndarray:
    """The array in an open file, no more of which is unpacked than its header says.

    **Raises:** `ValueError` for a header that the `size` of the file does not bear out.
    """
    version = npy.read_magic(file)
    header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in header:
        raise ValueError(f"format {version} of {name}")
    shape, columns_first, dtype = header[version](file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are not read")
    count = 1
    for length in shape:
        count *= length
    num_bytes = count * dtype.itemsize
    check_memory(f"--dataset {path}: {name} {shape} of {dtype}", num_bytes)
    if num_bytes > size:
        raise ValueError(f"{name} of shape {shape} is not whole")
    data = file.read(num_bytes)
    if len(data) != num_bytes:
        raise ValueError(f"{name} of shape {shape} is not whole")
    array = np.frombuffer(data, dtype) if num_bytes else np.empty(count, dtype)
    return array.reshape(shape, order="F" if columns_first else "C")


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
