"""What a trained model generates: a grid of samples, latent trajectories, chains."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import rc_context
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from experiments.figures.page import FRAME, Page, fit_cell
from experiments.figures.style import STYLE, TWO_COLUMNS, whole_ticks
from nelc_jax._disk import write_whole

FRAMES_PER_SECOND = 5
SCREEN_DOTS_PER_INCH = 110

COLOURS = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933"),
    *("#DDCC77", "#CC6677", "#882255", "#AA4499"),
)
"""Tol's muted colours, told apart with any colour vision."""

MAX_PORTRAYED = 12
"""Latent states up to which each is shown with the image that it sets."""

LEFT, RIGHT, GAP, LINE = 0.5, 0.06, 0.06, 0.16
"""Inches, as in `portrait`."""

SEPARATOR = 0.35
"""Grey level between the images of a grid, of which 1 is black."""


@rc_context(STYLE)
def grid_figure(x: np.ndarray, image_shape: Sequence[int] | None) -> Figure:
    """Samples x (N, D) side by side, row by row in the order of drawing.

    Of data that are no images, each sample is a column with visible unit 0 on top.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 2.4), layout="constrained")
    axes = figure.subplots()
    if image_shape is None:
        axes.imshow(x.T, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set(xlabel="sample", ylabel="visible unit")
        whole_ticks(axes.xaxis, axes.yaxis)
        axes.tick_params(which="both", top=False, right=False, direction="out")
        return figure
    grid = _mosaic(x, image_shape, _columns(len(x)))
    figure.set_size_inches(TWO_COLUMNS, TWO_COLUMNS * grid.shape[0] / grid.shape[1])
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.imshow(grid, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    return figure


@rc_context(STYLE)
def trajectory_figure(
    z: np.ndarray,
    order: Sequence[int],
    expected: np.ndarray,
    image_shape: Sequence[int] | None,
) -> Figure:
    """Latent trajectories: the first chain as a line, all as rows of colours.

    z(t) is the state from which the visible state at t is drawn.

    Above, the expected visible state that each latent state sets, framed in its colour.

    **Arguments:** `z` (C, T), the states of C chains; `order`, all S states as on
    the axis; `expected` (S, D), E[x|z]; `image_shape`, as in `grid_figure`.
    """
    count, steps = z.shape
    place = np.argsort(order)
    colours = _colours(len(order))
    portrayed = len(order) <= MAX_PORTRAYED
    width = TWO_COLUMNS - LEFT - RIGHT
    cell = fit_cell(image_shape, expected.shape[1], min(0.66, width / len(order) - GAP))
    top = cell.height + 2 * LINE + 0.04 if portrayed else 0.08
    line, rows = max(0.8, 0.12 * min(len(order), 12)), 0.12 * count
    page = Page(top + line + 0.08 + rows + 0.42)
    if portrayed:
        for slot, state in enumerate(order):
            x = LEFT + slot * (cell.width + GAP)
            page.text(x + cell.width / 2, LINE / 2 + 0.02, str(state))
            page.image(
                x, LINE + 0.04, cell, expected[state], cmap="Greys", vmin=0, vmax=1
            )
            page.figure.axes[-1].spines[:].set(color=colours(slot), linewidth=1.6)
        page.row_label(LEFT, LINE / 2 + 0.02, "$z$")
        page.row_label(LEFT, LINE + 0.04 + cell.height / 2, r"$\langle x\rangle_z$")
    axes = page.axes(LEFT, top, width, line)
    axes.plot(place[z[0]], color="0.6", linewidth=0.7, zorder=1)
    axes.scatter(np.arange(steps), place[z[0]], s=7, c=colours(place[z[0]]), zorder=2)
    axes.set(xlim=(-0.5, steps - 0.5), ylim=(len(order) - 0.5, -0.5), ylabel="$z(t)$")
    whole_ticks(axes.xaxis)
    axes.set_xticklabels([])
    if portrayed:
        axes.set_yticks(range(len(order)), [str(state) for state in order])
    axes.tick_params(axis="y", length=0)
    _draw_rows(page.axes(LEFT, top + line + 0.08, width, rows), place[z], colours)
    return page.figure


@rc_context(STYLE)
def write_animation(
    path: Path, x: np.ndarray, z: np.ndarray, image_shape: Sequence[int] | None
) -> None:
    """Write chains x (C, T, D) with their latent states z (C, T) as a GIF.

    One frame a double step: each x and below it the latent state it was drawn from.
    """
    count, steps, num_visible = x.shape
    columns = min(count, 6)
    width = (TWO_COLUMNS - 2 * GAP) / columns - GAP
    cell = fit_cell(image_shape, num_visible, width)
    pitch = cell.height + LINE + GAP
    page = Page(LINE + 2 * GAP + -(-count // columns) * pitch)
    FigureCanvasAgg(page.figure)
    page.text(GAP, GAP + LINE / 2, "", ha="left")
    clock = page.figure.texts[-1]
    images, labels = [], []
    for chain in range(count):
        left = GAP + (chain % columns) * (cell.width + GAP)
        top = LINE + 2 * GAP + (chain // columns) * pitch
        page.image(left, top, cell, x[chain, 0], cmap="Greys", vmin=0, vmax=1)
        images.append(page.figure.axes[-1].get_images()[0])
        page.text(left + cell.width / 2, top + cell.height + LINE / 2, "")
        labels.append(page.figure.texts[-1])
    writer = PillowWriter(fps=FRAMES_PER_SECOND)
    # The writer takes a path only, and would follow a link that stands there.
    with tempfile.TemporaryDirectory() as directory:
        film = Path(directory) / "chains.gif"
        with writer.saving(page.figure, str(film), SCREEN_DOTS_PER_INCH):
            for step in range(steps):
                clock.set_text(f"$t$ = {step}")
                for chain in range(count):
                    images[chain].set_data(x[chain, step].reshape(cell.shape))
                    labels[chain].set_text(f"$z$ = {z[chain, step]}")
                writer.grab_frame()
        write_whole({path: film.read_bytes()})


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


def _colours(count: int) -> ListedColormap:
    if count <= len(COLOURS):
        return ListedColormap(COLOURS[:count])
    return ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0, 1, count)))


def _draw_rows(axes: Axes, places: np.ndarray, colours: ListedColormap) -> None:
    axes.imshow(
        places,
        cmap=colours,
        vmin=-0.5,
        vmax=colours.N - 0.5,
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
