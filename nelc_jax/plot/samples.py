"""What a model generates: samples side by side, chains as rows of latent states."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from .style import FRAME, state_colours, whole_ticks

__all__ = ["sample_grid", "trajectories"]

SEPARATOR = 0.35
"""Grey level between the images of a grid, of which 1 is black."""


def sample_grid(
    axes: Axes,
    x: Shaped[Array | np.ndarray, "N D"],
    image_shape: Sequence[int] | None = None,
) -> AxesImage:
    """Samples side by side, row by row in their order; 1 is black.

    **Arguments:** `axes`; `x`; `image_shape`, (H, W) with H W = D, or None for data
    that are no images: each sample is then a column with visible unit 0 on top.
    """
    x = np.asarray(x)
    if image_shape is None:
        axes.set(xlabel="sample", ylabel="visible unit")
        whole_ticks(axes.xaxis, axes.yaxis)
        axes.tick_params(which="both", top=False, right=False, direction="out")
        return axes.imshow(x.T, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.set_axis_off()
    grid = _mosaic(x, image_shape, _columns(len(x)))
    return axes.imshow(grid, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")


def trajectories(
    axes: Axes, z: Int[Array | np.ndarray, "C T"], order: Sequence[int]
) -> AxesImage:
    """Latent trajectories as rows of colours, one a chain.

    **Arguments:** `axes`; `z`, the states of C chains; `order`, all S states as on the
    scale of `state_colours(S)`, by `cycle_order` for example.
    """
    places, count = np.argsort(order)[np.asarray(z)], len(order)
    drawn = axes.imshow(
        places,
        cmap=state_colours(count),
        vmin=-0.5,
        vmax=count - 0.5,
        aspect="auto",
        interpolation="nearest",
    )
    for chain in range(1, len(places)):
        axes.axhline(chain - 0.5, color="white", linewidth=1.2)
    axes.set_xlabel("$t$ (double steps)")
    axes.set_ylabel("chain")
    whole_ticks(axes.xaxis)
    axes.set_yticks([0, len(places) - 1] if len(places) > 1 else [0])
    axes.spines[:].set(**FRAME)
    axes.tick_params(length=0, pad=2)
    return drawn


def _columns(count: int) -> int:
    """As many images a row as fit a page, with a full last row where possible."""
    if count <= 10:
        return count
    full = [columns for columns in range(10, 17) if count % columns == 0]
    return max(full, default=16)


def _mosaic(x: np.ndarray, shape: Sequence[int], columns: int) -> np.ndarray:
    """Images in rows of `columns` with lines of one pixel around each; rest white."""
    height, width = shape[0] + 1, shape[1] + 1
    rows = -(-len(x) // columns)
    grid = np.full((rows * height + 1, columns * width + 1), SEPARATOR)
    grid[(len(x) // columns) * height + 1 :, (len(x) % columns) * width + 1 :] = 0
    for number, image in enumerate(x):
        top, left = (number // columns) * height + 1, (number % columns) * width + 1
        grid[top : top + shape[0], left : left + shape[1]] = image.reshape(shape)
    return grid
