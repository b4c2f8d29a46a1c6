"""MNIST's training set from the web, each file with a checksum."""

import hashlib
import http.client
import urllib.request
from pathlib import Path

from experiments.command.errors import UserError
from nelc_jax._disk import write_whole

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
}
_SECONDS = 60
_MOST_BYTES = 100_000_000
"""More than any of the files has."""


def fetch(directory: Path) -> tuple[Path, Path]:
    """Download the images and the labels to a directory.

    **Raises:** `UserError` when that cannot be, or they are not what they should be.
    """
    for name in CHECKSUMS:
        try:
            with urllib.request.urlopen(_MIRROR + name, timeout=_SECONDS) as response:
                content = response.read(_MOST_BYTES)
            if not _is_whole(name, content):
                raise UserError(
                    f"the download of {name} has a wrong checksum: try again, or give "
                    "the files with --data-dir, or use --dataset mnist5k"
                )
            directory.mkdir(parents=True, exist_ok=True)
            write_whole({directory / name: content})
        # What is no HTTP, or breaks off, or leads to no address.
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or repr(error)
            raise UserError(
                f"--dataset mnist cannot be downloaded ({reason}): give a directory "
                "with the IDX files as --data-dir, or use --dataset mnist5k, which "
                "needs no download"
            ) from error
    images, labels = CHECKSUMS
    return directory / images, directory / labels


def is_damaged(path: Path) -> bool:
    """Whether a file of the name of a download is not what it should be."""
    return path.name in CHECKSUMS and not _is_whole(path.name, path.read_bytes())


def _is_whole(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == CHECKSUMS[name]
