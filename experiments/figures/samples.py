"""What a trained model generates: a grid of samples, latent trajectories, chains."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.animation import PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.figures.page import Page, fit_cell
from experiments.figures.style import TWO_COLUMNS
from nelc_jax._disk import write_whole
from nelc_jax.plot import sample_grid, state_colours, trajectories
from nelc_jax.plot.style import STYLE, whole_ticks

FRAMES_PER_SECOND = 5
SCREEN_DOTS_PER_INCH = 110

MAX_PORTRAYED = 12
"""Latent states up to which each is shown with the image that it sets."""

LEFT, RIGHT, GAP, LINE = 0.5, 0.06, 0.06, 0.16
"""Inches, as in `portrait`."""


@rc_context(STYLE)
def grid_figure(x: np.ndarray, image_shape: Sequence[int] | None) -> Figure:
    """Samples x (N, D) side by side, row by row in the order of drawing.

    Of data that are no images, each sample is a column with visible unit 0 on top.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 2.4), layout="constrained")
    axes = figure.subplots()
    grid = sample_grid(axes, x, image_shape).get_size()
    if image_shape is not None:
        figure.set_size_inches(TWO_COLUMNS, TWO_COLUMNS * grid[0] / grid[1])
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
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
    colours = state_colours(len(order))
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
    trajectories(page.axes(LEFT, top + line + 0.08, width, rows), z, order)
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
