"""What the figures share: page, colours by entropy production, points at infinity."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

ONE_COLUMN = 3.4
"""Width in inches of a figure in one column."""

TWO_COLUMNS = 7.0
"""Width in inches of a figure across both columns of a page."""

SIGMA = r"$\sigma$ (nats per double step)"
LOG_LIKELIHOOD = r"$\mathcal{L}$ (nats)"

THRESHOLD: dict[str, Any] = {"color": "0.4", "linewidth": 0.8, "dashes": (4, 2.5)}
"""Line at a value that others are compared with."""


def sigma_colours(sigma: np.ndarray) -> ScalarMappable:
    """The colour of each entropy production rate, the same in every panel.

    Infinite rates take the last colour, undefined ones grey.
    """
    finite = sigma[np.isfinite(sigma)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    # The last tenth of viridis is too pale for thin lines on white.
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, 256))
    palette = ListedColormap(shades).with_extremes(bad="0.6")
    return ScalarMappable(Normalize(low, high, clip=True), palette)


def label_panels(panels: Sequence[Axes]) -> None:
    """Write (a), (b), ... above the left corner of each panel."""
    for letter, axes in zip("abcdefgh", panels, strict=False):
        axes.set_title(f"({letter})", loc="left")


def add_legend(figure: Figure, axes: Axes) -> None:
    """What the colours in `axes` stand for, in one row below all panels."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False
    )


def fit_limits(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Set the limits to the finite values, on a logarithmic axis the positive ones.

    An axis without any such value has no scale.
    """
    axes.set_xlim(*_span(x, axes.get_xscale() == "log"))
    axes.set_ylim(*_span(y, axes.get_yscale() == "log"))
    for axis, values in ((axes.xaxis, x), (axes.yaxis, y)):
        if not _drawable(values, axis.get_scale()).any():
            axis.set_major_locator(NullLocator())
            axis.set_minor_locator(NullLocator())


def draw_points(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    colours: np.ndarray,
    x_error: np.ndarray | None = None,
    y_error: np.ndarray | None = None,
) -> None:
    """One filled marker a point, within limits set before; see `mark_beyond`."""
    inside = _drawable(x, axes.get_xscale()) & _drawable(y, axes.get_yscale())
    for horizontal, error in ((True, x_error), (False, y_error)):
        if error is not None:
            lengths = np.nan_to_num(error[inside], posinf=0)
            axes.errorbar(
                x[inside],
                y[inside],
                xerr=lengths if horizontal else None,
                yerr=None if horizontal else lengths,
                fmt="none",
                ecolor="0.55",
                elinewidth=0.6,
                zorder=1.5,
            )
    axes.scatter(
        x[inside],
        y[inside],
        s=15,
        c=colours[inside],
        edgecolors="white",
        linewidths=0.35,
        zorder=2.5,
    )
    mark_beyond(axes, x, y, colours)


def mark_diverged(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Grey crosses for models that went non-finite, where they were, and their number.

    Those beyond the limits stand on the frame.
    """
    if not len(x):
        return
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.scatter(
        np.clip(x, left, right),
        np.clip(y, bottom, top),
        s=16,
        marker="x",
        color="0.5",
        linewidths=0.9,
        clip_on=False,
        zorder=2,
    )
    counts = filter(None, [axes.get_title(loc="right"), f"{len(x)} diverged"])
    axes.set_title(", ".join(counts), loc="right", fontsize=7)


def mark_beyond(axes: Axes, x: np.ndarray, y: np.ndarray, colours: np.ndarray) -> None:
    """Open triangles on the frame for points that no axis can hold, and their number.

    Infinite values point out of the panel through the edge they lie beyond, as does
    a zero on a logarithmic axis. Undefined ones have no place and are only counted.
    """
    undefined = np.isnan(x) | np.isnan(y)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    high, low = y == np.inf, ~_drawable(y, axes.get_yscale()) & (y < np.inf)
    far, near = x == np.inf, ~_drawable(x, axes.get_xscale()) & (x < np.inf)
    beside = ~high & ~low
    for marker, which in (
        ("^", high),
        ("v", low),
        (">", far & beside),
        ("<", near & beside),
    ):
        which = which & ~undefined
        if which.any():
            axes.scatter(
                np.clip(x[which], left, right),
                np.clip(y[which], bottom, top),
                s=20,
                marker=marker,
                facecolors="white",
                edgecolors=colours[which].tolist(),
                linewidths=0.9,
                clip_on=False,
                zorder=3,
            )
    infinite = (np.isinf(x) | np.isinf(y)) & ~undefined
    beyond = (high | low | far | near) & ~undefined & ~infinite
    counts = ((infinite, "infinite"), (beyond, "zero"), (undefined, "undefined"))
    axes.set_title(
        ", ".join(f"{which.sum()} {what}" for which, what in counts if which.any()),
        loc="right",
        fontsize=7,
    )


def _drawable(values: np.ndarray, scale: str) -> np.ndarray:
    return np.isfinite(values) & ((values > 0) if scale == "log" else True)


def _span(values: np.ndarray, log: bool) -> tuple[float, float]:
    held = values[_drawable(values, "log" if log else "linear")]
    if not held.size:
        return (0.1, 1.0) if log else (0.0, 1.0)
    if log:
        low, high = np.log10(held.min()), np.log10(held.max())
        # At least a decade, which gives round numbers on the axis.
        pad = max(0.06 * (high - low), (1.05 - (high - low)) / 2)
        return 10 ** (low - pad), 10 ** (high + pad)
    low, high = held.min(), held.max()
    pad = 0.06 * (high - low) if high > low else max(0.05 * abs(low), 0.5)
    return low - pad, high + pad
