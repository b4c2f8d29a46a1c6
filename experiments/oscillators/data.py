"""Gray images of all ten digits at a chosen size, for the oscillators."""

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from experiments.command.errors import UserError
from experiments.data.datasets import check_data_dir
from experiments.data.mnist import embedded_images, mnist_images

MAX_IMAGES = 10_000


@dataclass(frozen=True)
class GrayImages:
    """Images x (N, side^2) with gray levels from -1 to 1, and their digits (N,)."""

    name: str
    side: int
    x: np.ndarray
    digits: np.ndarray


def load_gray(name: str, data_dir: Path | None, side: int) -> GrayImages:
    """Load `digits`, `mnist5k` or `mnist` at side x side pixels, in a fixed order.

    MNIST's images are cut to the 20 x 20 pixels in which its digits are.

    **Raises:** `UserError` for another name, and as `load_dataset`.
    """
    check_data_dir(name, data_dir)
    if name == "digits":
        images, digits = _small_digits()
    elif name in ("mnist5k", "mnist"):
        load = (
            embedded_images if name == "mnist5k" else (lambda: mnist_images(data_dir))
        )
        images, digits = load()
        images = images.reshape(-1, 28, 28)[:MAX_IMAGES, 4:24, 4:24] / 255
        digits = digits[:MAX_IMAGES]
    else:
        raise UserError(
            f"--dataset {name}: gray images are needed, choose digits, mnist5k or mnist"
        )
    order = np.random.default_rng(0).permutation(len(images))
    images, digits = images[order], np.asarray(digits)[order]
    shape = (len(images), side, side)
    small = jax.image.resize(np.asarray(images, np.float32), shape, "linear")
    x = 2 * np.asarray(small).reshape(len(images), -1) - 1
    return GrayImages(name, side, x, digits)


def _small_digits() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            "--dataset digits needs the package scikit-learn: pip install "
            "'nelc_jax[experiments]'"
        ) from error
    x, digits = load_digits(return_X_y=True)
    return np.asarray(x).reshape(-1, 8, 8) / 16, np.asarray(digits)
