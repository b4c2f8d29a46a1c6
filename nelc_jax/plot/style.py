"""How pictures look: type, ticks, frames, a colour for each latent state."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator

__all__ = ["STYLE", "state_colours"]

STYLE: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.labelpad": 2.5,
    "axes.titlepad": 4.0,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.8,
    "ytick.major.size": 2.8,
    "xtick.minor.size": 1.6,
    "ytick.minor.size": 1.6,
    "pdf.fonttype": 42,
}
"""Settings for `matplotlib.rc_context`: PRE's type and type size, ticks inside, and
fonts that stay text in a PDF."""

FRAME = {"color": "0.5", "linewidth": 0.4}
"""Line around an image."""

COLOURS = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933"),
    *("#DDCC77", "#CC6677", "#882255", "#AA4499"),
)
"""Tol's muted colours, told apart with any colour vision."""


def state_colours(count: int) -> ListedColormap:
    """A colour for each of `count` latent states; of more than nine, a scale."""
    if count <= len(COLOURS):
        return ListedColormap(COLOURS[:count])
    return ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0, 1, count)))


def whole_ticks(*axes: Axis) -> None:
    """Ticks at whole numbers, multiples of 1, 2 or 5."""
    for axis in axes:
        axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
