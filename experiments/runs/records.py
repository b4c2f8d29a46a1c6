"""Records in a file to which more are only ever added: the history of a training.

Each saved state says how many of them belong to it. So a long history is not written
anew with every state, and those of a process that was killed after them do not count.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nelc_jax._disk import write_whole


class Records:
    """The records of a file: of which fields, how many bytes, and their digest."""

    def __init__(self, path: Path):
        self.path = path
        self._fields: list = []
        self._size = 0
        self._digest = hashlib.sha256()

    def replace(self, columns: Mapping[str, np.ndarray]) -> None:
        """Make these the records, whatever the file held."""
        self._size, self._digest = 0, hashlib.sha256()
        write_whole({self.path: self._count(columns)})

    def know(self, columns: Mapping[str, np.ndarray]) -> None:
        """Take these for the records that the file has."""
        self._size, self._digest = 0, hashlib.sha256()
        self._count(columns)

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add records after those that are known; what else follows them is dropped."""
        known = self._size
        data = self._count(columns)
        if not known:
            write_whole({self.path: data})
            return
        with self.path.open("r+b") as file:
            file.truncate(known)
            file.seek(known)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def describe(self) -> dict:
        """What `read_records` needs, as JSON has it."""
        return {
            "fields": self._fields,
            "bytes": self._size,
            "sha256": self._digest.hexdigest(),
        }

    def _count(self, columns: Mapping[str, np.ndarray]) -> bytes:
        records = to_records(columns)
        data = records.tobytes()
        self._fields = records.dtype.descr
        self._size += len(data)
        self._digest.update(data)
        return data


def to_records(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Columns of one length as records with a field a column."""
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    fields = [(name, array.dtype.str) for name, array in arrays.items()]
    records = np.empty(len(next(iter(arrays.values()))), fields)
    for name, array in arrays.items():
        records[name] = array
    return records


def read_records(data: bytes, about: Mapping) -> dict[str, np.ndarray]:
    """The columns of records, from the bytes of their file and what `describe` gave.

    **Raises:** `ValueError` when they are others, or fewer.
    """
    own = data[: about["bytes"]]
    if hashlib.sha256(own).hexdigest() != about["sha256"]:
        raise ValueError("its history is another, or lost")
    fields = np.dtype([(str(name), str(kind)) for name, kind in about["fields"]])
    records = np.frombuffer(own, fields)
    return {name: records[name].copy() for name in fields.names or ()}
