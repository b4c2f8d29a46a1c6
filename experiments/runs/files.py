"""Files that are whole or not there: text, tables of numbers, named arrays."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

PART = ".part"
"""How the name of a file ends that is not whole yet; it begins with a dot."""


def write_whole(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file by `fill`, replacing an older one only once it is complete."""
    descriptor, name = tempfile.mkstemp(PART, f".{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        # Already renamed, if the exception came after that.
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def is_leftover(path: Path) -> bool:
    """Whether a process that was killed while it wrote may have left this file."""
    return path.name.startswith(".") and path.suffix == PART


def remove_leftovers(*directories: Path) -> None:
    """Remove the unfinished files of a process that was killed while it wrote."""
    for directory in directories:
        for file in directory.glob(f".*{PART}"):
            file.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_table(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write a CSV file with one column an array; floats keep 6 significant digits."""
    # Here, and not above: it takes half a second, which most commands can save.
    import pandas as pd

    text = pd.DataFrame({name: np.asarray(c) for name, c in columns.items()}).to_csv(
        index=False, float_format="%.6g", na_rep="nan", lineterminator="\n"
    )
    write_text(path, text)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file, integers where all of a column are.

    **Raises:** `ValueError` when it is no table of numbers, `OSError` when it cannot be
    read.
    """
    import pandas as pd

    # No other words than "nan" are undefined numbers; an empty cell is no number.
    table = pd.read_csv(path, keep_default_na=False, na_values=["nan"])
    columns = {str(name): table[name].to_numpy() for name in table}
    numbers = all(c.dtype in (np.int64, np.float64) for c in columns.values())
    # A row that is longer than the header makes another index.
    if not numbers or not isinstance(table.index, pd.RangeIndex):
        raise ValueError(f"{path.name} is no table of numbers")
    return columns


def write_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write named arrays in safetensors format, with words about them."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, lambda file: file.write(save(whole, metadata)))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays of a file, and the words about them; nothing is executed.

    **Raises:** `ValueError` when it is not in safetensors format, `OSError` when it
    cannot be read.
    """
    # Read once: a file that changes meanwhile cannot be half of one and of another.
    data = path.read_bytes()
    try:
        arrays = load(data)
    except (SafetensorError, ArithmeticError, LookupError, TypeError) as error:
        raise ValueError(f"is damaged: {error}") from error
    size = int.from_bytes(data[:8], "little")
    return arrays, json.loads(data[8 : 8 + size]).get("__metadata__") or {}
