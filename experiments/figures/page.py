"""A page addressed in inches, for rows of images of one size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from experiments.figures.style import TWO_COLUMNS
from nelc_jax.plot.style import FRAME


@dataclass(frozen=True)
class Cell:
    """How one visible vector is drawn: its pixels, and its size in inches."""

    shape: tuple[int, int]
    width: float
    height: float


def fit_cell(image_shape: Sequence[int] | None, num_visible: int, width: float) -> Cell:
    """Square pixels unless the image is very long; stripes fill a square."""
    if image_shape is None:
        return Cell((num_visible, 1), width, width)
    rows, columns = image_shape
    return Cell((rows, columns), width, width * min(max(rows / columns, 0.5), 2.0))


class Page:
    """A figure addressed in inches from its upper left corner."""

    def __init__(self, height: float):
        self.height = height
        self.figure = Figure(figsize=(TWO_COLUMNS, height))

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes with their upper left corner at (x, y)."""
        bottom = self.height - y - height
        axes = self.figure.add_axes(
            (
                x / TWO_COLUMNS,
                bottom / self.height,
                width / TWO_COLUMNS,
                height / self.height,
            )
        )
        axes.tick_params(which="both", top=False, right=False)
        return axes

    def text(
        self, x: float, y: float, text: str, ha: str = "center", va: str = "center"
    ) -> None:
        """Text centred at (x, y), or aligned otherwise."""
        self.figure.text(x / TWO_COLUMNS, 1 - y / self.height, text, ha=ha, va=va)

    def row_label(self, x: float, y: float, text: str) -> None:
        """Text that ends just left of x."""
        self.text(x - 0.07, y, text, ha="right")

    def image(
        self, x: float, y: float, cell: Cell, values: np.ndarray, **colours
    ) -> None:
        """A visible vector as an image in a thin frame."""
        axes = self.axes(x, y, cell.width, cell.height)
        axes.imshow(values.reshape(cell.shape), aspect="auto", **colours)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(**FRAME)

    def colour_bar(
        self, x: float, y: float, height: float, colours: ScalarMappable
    ) -> None:
        """A narrow colour bar with its scale on the right."""
        axes = self.axes(x, y, 0.07, height)
        bar = self.figure.colorbar(colours, cax=axes)
        bar.outline.set(**FRAME)
        axes.tick_params(labelsize=7, direction="out", size=2, pad=1.5, right=True)
        axes.locator_params(nbins=4)
