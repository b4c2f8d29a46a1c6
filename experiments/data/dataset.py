"""Points of zeros and ones, with or without classes."""

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from experiments.command.errors import UserError


@dataclass(frozen=True)
class Dataset:
    """N points of D bits; `labels` count from 0 and index `class_names`.

    `labels` is None for data without classes; `image_shape` for data that are not
    square images.
    """

    name: str
    x: Bool[np.ndarray, "N D"]
    labels: Int[np.ndarray, " N"] | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None

    def digest(self) -> str:
        """A name for the data and their order that no other data share."""
        digest = hashlib.sha256(f"{self.x.shape} ".encode())
        digest.update(self.x.tobytes())
        digest.update(b"" if self.labels is None else self.labels.tobytes())
        return digest.hexdigest()[:16]


def square(pixels: int) -> tuple[int, int] | None:
    """The shape of a square image of so many pixels; None where there is none."""
    side = math.isqrt(pixels)
    return (side, side) if side * side == pixels and side > 1 else None


def held_out_part(dataset: Dataset, every: int = 5) -> tuple[Dataset, Dataset]:
    """The data without every fifth point of each class, and those points."""
    labels = dataset.labels
    classes = np.zeros(len(dataset.x), int) if labels is None else labels
    out = np.zeros(len(dataset.x), bool)
    for label in np.unique(classes):
        out[np.flatnonzero(classes == label)[every - 1 :: every]] = True
    kept, held = (
        replace(
            dataset, x=dataset.x[rows], labels=None if labels is None else labels[rows]
        )
        for rows in (~out, out)
    )
    if not len(held.x):
        raise UserError(
            f"--dataset {dataset.name} has {len(dataset.x)} points: at least {every} "
            "of a class are needed to hold some out"
        )
    return kept, held
