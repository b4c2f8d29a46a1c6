"""The latent kernel as a map."""

import numpy as np
from jaxtyping import Array, Float, Int
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from .style import FRAME, whole_ticks

__all__ = ["kernel_map"]

MAX_ANNOTATED = 12
"""Kernels of at most this many states have their values written in the cells."""


def kernel_map(
    axes: Axes,
    M: Float[Array | np.ndarray, "S S"],
    states: Int[Array | np.ndarray, " S"] | None = None,
) -> AxesImage:
    """M[z', z] with the state of origin down and the next one across.

    The values stand in the cells of few states, as large as the axes now allow; the
    colours of many end at the largest value.

    **Arguments:** `axes`; `M`; `states`, their numbers on the axes where M is a part of
    a larger kernel: by default from 0.
    """
    kernel = np.asarray(M)
    states = np.arange(len(kernel)) if states is None else np.asarray(states)
    annotated = len(kernel) <= MAX_ANNOTATED
    top = 1.0 if annotated else float(kernel.max())
    drawn = axes.imshow(kernel, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    axes.set_xlabel("to $z$", labelpad=1.5)
    axes.set_ylabel("from $z$′", labelpad=1.5)
    axes.set_title("latent kernel $M$", pad=4)
    axes.spines[:].set(**FRAME)
    axes.tick_params(length=0, pad=2)
    if len(kernel) > MAX_ANNOTATED and states[-1] < len(states):
        whole_ticks(axes.xaxis, axes.yaxis)
        return drawn
    places = np.arange(0, len(states), 1 if annotated else -(-len(states) // 4))
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks(places, [str(state) for state in states[places]])
    if annotated:
        box = axes.get_window_extent().width / axes.figure.dpi * 72
        for (row, col), value in np.ndenumerate(kernel):
            axes.text(
                col,
                row,
                _short(float(value)),
                ha="center",
                va="center",
                fontsize=min(7.5, box / len(kernel) / 2),
                color="white" if value > 0.55 else "0.15",
            )
    return drawn


def _short(probability: float) -> str:
    """Two decimals without the leading zero, as wide as a cell allows."""
    text = f"{probability:.2f}"
    return "0" if text == "0.00" else text.removeprefix("0")
