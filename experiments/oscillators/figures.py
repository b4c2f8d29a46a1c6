"""Figures of the oscillators: fields, samples, costs, training, images."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from experiments.figures.page import Cell, Page
from experiments.figures.style import TWO_COLUMNS, label_panels
from nelc_jax.plot.style import STYLE

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe's and Ito's colours, told apart with any colour vision."""

MARKERS = "osD^vP"
ARROWS = 8
"""Every 8th point of the grid carries an arrow."""


@rc_context(STYLE)
def field_figure(fields: Mapping[str, np.ndarray], times: Sequence[float]) -> Figure:
    """The exact force (outlined arrows) and the learned one (filled) at noising times.

    Arrows are as long as the force's size to the power 1/2, relative to the largest in
    its panel, and are drawn where the data are.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 2.5), layout="constrained")
    panels = figure.subplots(1, len(times), sharey=True)
    label_panels(panels)
    handles: list[Quiver] = []
    side = int(np.sqrt(len(fields["grid"])))
    grid = fields["grid"].reshape(side, side, 2)
    for row, (axes, time) in enumerate(zip(panels, times, strict=True)):
        density = fields["density"][row].reshape(side, side)
        levels = density.max() * np.array([0.02, 0.1, 0.3, 0.6, 1.0])
        axes.contourf(
            *np.moveaxis(grid, -1, 0),
            density,
            levels=levels,
            cmap="Greys",
            vmin=0,
            vmax=2.2 * density.max(),
        )
        chosen = np.s_[ARROWS // 2 :: ARROWS]
        points = grid[chosen, chosen]
        shown = density[chosen, chosen] > 0.003 * density.max()
        handles.clear()
        for name, colour, width in (
            ("exact", COLOURS[1], 0.016),
            ("learned", COLOURS[0], 0.007),
        ):
            arrows = fields[name][row].reshape(side, side, 2)[chosen, chosen]
            largest = np.linalg.norm(
                fields["exact"][row].reshape(side, side, 2)[chosen, chosen][shown],
                axis=-1,
            ).max()
            size = np.linalg.norm(arrows, axis=-1, keepdims=True)
            arrows = arrows / np.sqrt(np.maximum(size, 1e-9) * largest)
            handles.append(
                axes.quiver(
                    *points[shown].T,
                    *arrows[shown].T,
                    color=colour,
                    width=width,
                    scale=8,
                    headwidth=2.6,
                    headlength=3,
                    headaxislength=2.8,
                )
            )
        axes.set_title(f"noising time {time:g}")
        axes.set(xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal")
        axes.set_xlabel("$x_1$")
    panels[0].set_ylabel("$x_2$")
    figure.legend(
        handles,
        ["exact", "learned"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        handlelength=1.2,
    )
    return figure


@rc_context(STYLE)
def cloud_figure(samples: Mapping[str, np.ndarray]) -> Figure:
    """Samples in the plane, one panel a way of generating."""
    figure = Figure(figsize=(TWO_COLUMNS, 1.45), layout="constrained")
    panels = figure.subplots(1, len(samples), sharey=True)
    for axes, (name, points) in zip(panels, samples.items(), strict=True):
        axes.scatter(*points[:1500].T, s=1.2, color=COLOURS[0], linewidths=0, alpha=0.6)
        axes.set_title(name)
        axes.set(xlim=(-2.3, 2.3), ylim=(-1.6, 1.3), aspect="equal")
        axes.set_xlabel("$x_1$")
    panels[0].set_ylabel("$x_2$")
    return figure


@rc_context(STYLE)
def cost_figure(costs: Mapping[str, np.ndarray], floor: float | None) -> Figure:
    """What generation costs, and how good it is, against its duration.

    **Arguments:** `floor`, the energy distance of the projection, where there is one.
    """
    figure, panels = _against_duration(2.3)
    _errors(panels[0], costs, "entropy_production", 0, "measured")
    panels[0].plot(
        costs["duration"],
        costs["ideal_entropy_production"],
        color="0.35",
        dashes=(4, 2),
        linewidth=1,
        label=r"ideal, $\propto$ 1/duration",
    )
    panels[0].set_yscale("log")
    panels[0].set_ylabel("entropy production (nats)")
    _energies(panels[1], costs)
    _errors(panels[2], costs, "energy_distance", 0, "network")
    highest = np.max(costs["energy_distance"])
    if floor is not None:
        panels[2].axhline(
            floor,
            color="0.35",
            dashes=(1, 1.5),
            linewidth=1,
            label="projection, pace 1",
        )
        highest = max(highest, floor)
    panels[2].set_ylabel("energy distance to data")
    panels[2].set_ylim(0, 1.25 * highest)
    for axes in panels:
        axes.legend(frameon=False, fontsize=7)
    return figure


@rc_context(STYLE)
def pace_figure(costs: Mapping[str, np.ndarray]) -> Figure:
    """Energies, what a classifier says, and the distance to data, against duration."""
    figure, panels = _against_duration(2.2)
    _energies(panels[0], costs)
    seen = (
        ("called_0_or_1", "called 0 or 1"),
        ("share_of_zeros", "zeros among those"),
        ("clear", "clear digits"),
        ("class_distance", "too many of their digit"),
    )
    for colour, (column, label) in zip((0, 3, 0, 3), seen, strict=True):
        if column in costs:
            _errors(panels[1], costs, column, colour, label)
    panels[1].set_ylabel("share of samples")
    panels[1].set_ylim(0, 1)
    _errors(panels[2], costs, "energy_distance", 0, "network")
    panels[2].set_ylabel("energy distance to data")
    panels[2].set_ylim(bottom=0)
    for axes in panels[:2]:
        axes.legend(frameon=False, fontsize=7)
    return figure


@rc_context(STYLE)
def loss_figure(history: Mapping[str, np.ndarray], names: Mapping[int, str]) -> Figure:
    """The loss in training of the methods with these numbers, one line a member."""
    figure = Figure(figsize=(TWO_COLUMNS / 2, 2.2), layout="constrained")
    axes = figure.subplots()
    for number, name in names.items():
        of_method = history["method"] == number
        for model in np.unique(history["model"][of_method]):
            chosen = of_method & (history["model"] == model)
            axes.plot(
                history["step"][chosen],
                history["loss"][chosen],
                color=COLOURS[number % len(COLOURS)],
                linewidth=0.8,
                label=name if model == 0 else None,
            )
    axes.set_xlabel("training step")
    axes.set_ylabel("loss a degree of freedom")
    axes.legend(frameon=False, fontsize=7)
    return figure


@rc_context(STYLE)
def image_figure(rows: Mapping[str, np.ndarray], side: int) -> Figure:
    """Rows of images, one row a name: gray levels from -1 (white) to 1 (black)."""
    count = min(len(images) for images in rows.values())
    left, gap = 1.35, 0.04
    width = (TWO_COLUMNS - left - 0.1) / count - gap
    page = Page(len(rows) * (width + 0.09) + 0.1)
    for row, (name, images) in enumerate(rows.items()):
        top = 0.07 + row * (width + 0.09)
        page.row_label(left, top + width / 2, name)
        for column, image in enumerate(images[:count]):
            page.image(
                left + column * (width + gap),
                top,
                Cell((side, side), width, width),
                image,
                cmap="Greys",
                vmin=-1.15,
                vmax=1.15,
            )
    return page.figure


def _against_duration(height: float) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(TWO_COLUMNS, height), layout="constrained")
    panels = figure.subplots(1, 3)
    label_panels(panels)
    for axes in panels:
        axes.set_xscale("log")
        axes.set_xlabel(r"duration (units of $1/\mu\kappa$)")
    return figure, panels


def _energies(axes: Axes, costs: Mapping[str, np.ndarray]) -> None:
    _errors(axes, costs, "work", 1, "work")
    _errors(axes, costs, "heat", 2, "heat to the bath")
    axes.set_ylabel("energy (units of $kT$)")


def _errors(
    axes: Axes,
    table: Mapping[str, np.ndarray],
    name: str,
    colour: int,
    label: str,
) -> None:
    axes.errorbar(
        table["duration"],
        table[name],
        yerr=np.nan_to_num(table[f"{name}_error"]),
        color=COLOURS[colour],
        marker=MARKERS[colour],
        markersize=3.5,
        linewidth=1,
        capsize=2,
        label=label,
    )
