"""Files that are whole or not there: text, and tables of numbers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nelc_jax._disk import PART, write_whole


def is_leftover(path: Path) -> bool:
    """Whether a process that was killed while it wrote left this file."""
    hidden = path.name.startswith(".") and path.name.endswith(PART)
    return hidden and not path.is_dir()


def remove_leftovers(*directories: Path) -> None:
    """Remove the unfinished files of a process that was killed while it wrote."""
    for directory in directories:
        for file in filter(is_leftover, directory.glob(".*")):
            file.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_whole({path: text.encode()})


def write_table(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write a CSV file whole, with one column an array."""
    write_whole({path: table_bytes(columns)})


def append_table(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Add rows to a CSV file, or begin it with them.

    Of a process that was killed meanwhile a part of a row may be left.
    """
    with path.open("ab") as file:
        file.write(table_bytes(columns, header=file.tell() == 0))


def table_bytes(columns: Mapping[str, np.ndarray], header: bool = True) -> bytes:
    """A CSV file with one column an array; floats keep 6 significant digits."""
    # Here, and not above: it takes half a second, which most commands can save.
    import pandas as pd

    text = pd.DataFrame({name: np.asarray(c) for name, c in columns.items()}).to_csv(
        index=False,
        header=header,
        float_format="%.6g",
        na_rep="nan",
        lineterminator="\n",
    )
    return text.encode()


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
