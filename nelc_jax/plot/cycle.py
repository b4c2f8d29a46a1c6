"""The currents between latent states as a graph on a circle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Circle, PathPatch, Polygon, Rectangle
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from ._dominant import Measured, measure
from ._ring import Ring, arrow, make_ring, ribbon

__all__ = ["CycleGraph", "cycle_graph", "cycle_order"]

DOMINANT, OTHER, TRAFFIC = "#D55E00", "#0072B2", "0.85"
"""Colours of arrows and ribbons, told apart with any colour vision (Okabe and Ito)."""

LABELS = {
    TRAFFIC: "jumps between two states, both ways",
    DOMINANT: "net current of the dominant cycle",
    OTHER: "net current elsewhere",
}
"""What the legend of the axes calls them."""

THINNEST, LINES = 0.0025, 3
"""Of the radius of the circle, a quarter of a point in a column: what is thinner is
not drawn, nor more ribbons than so many a state, the widest first."""


@dataclass(frozen=True)
class CycleGraph:
    """What `cycle_graph` drew, and the numbers in its title.

    `order`, the states clockwise from the top, as are `nodes` and `numbers`; `traffic`,
    the ribbons; `arrows` by their states (z', z), from z' to z; `title`; `cycle`, the
    states of the dominant cycle, none without a current; its `affinity` in nats;
    `share`, its part of sigma, nan of an infinite one; `widest` and `thinnest`, the
    jumps per double step of the widest ribbon and of the thinnest line that is drawn.
    """

    order: list[int]
    nodes: list[Artist]
    numbers: list[PathPatch]
    traffic: PolyCollection
    arrows: dict[tuple[int, int], Polygon]
    title: Text
    cycle: list[int]
    affinity: float
    share: float
    widest: float
    thinnest: float


def cycle_order(
    log_M: Float[Array | np.ndarray, "S S"],
    p_bar: Float[Array | np.ndarray, " S"],
    num_states: int | None = None,
) -> list[int]:
    """The states, those of the dominant cycle in its order.

    Every other state, the most visited first, stands where the net currents from the
    state before it and to the state after it are largest.

    **Arguments:** `log_M`, `p_bar` as in `diagnostics.fundamental_cycles`;
    `num_states`, how many to take of those most visited, beside the dominant cycle: by
    default all.

    **Raises:** `ValueError` for nan.
    """
    return measure(log_M, p_bar).order(num_states)


def cycle_graph(
    axes: Axes,
    log_M: Float[Array | np.ndarray, "S S"],
    p_bar: Float[Array | np.ndarray, " S"],
    images: Float[Array | np.ndarray, "S H W"] | None = None,
    order: Sequence[int] | None = None,
) -> CycleGraph:
    """Draw latent states on a circle and the net currents J (eq. 21) between them.

    The area of a node is p_bar; it shows the image that the state generates, or its
    number. Between two nodes lies a grey ribbon as wide as the jumps between them per
    double step, in both directions together, and on it an arrow as wide as J: one that
    covers its ribbon is a one-way street, a ribbon without arrow is in balance. The
    dominant cycle is orange, and the title has its affinity and its share of sigma.
    Lines too thin to see are left out, and of many states all but the widest.

    The dominant cycle c is that of the largest J_c F_c among the fundamental cycles
    (`diagnostics.fundamental_cycles`: current times affinity), and its share of sigma
    J_c F_c / sigma, of which all cycles together have one. It is at most one, and close
    to it where the chain runs round this cycle and nothing else; but it is a share in
    that decomposition, no property of the cycle alone: where cycles have edges in
    common, part of what flows round this one is in the account of others. A cycle with
    one-way jumps has an infinite affinity, and no share.

    **Arguments:** `axes`, whose limits and aspect are set; `log_M[z', z]`, z' from,
    `-inf` where M is zero; `p_bar`; `images` in [0, 1], the mean image of each state;
    `order`, the states to draw, clockwise from the top: by default `cycle_order`.

    **Raises:** `ValueError` for nan, for images of another number, and for an `order`
    with a state twice or one that is not there.
    """
    found = measure(log_M, p_bar)
    size = len(found.p_bar)
    order = found.order() if order is None else [int(state) for state in order]
    if len(set(order)) < len(order) or not set(order) <= set(range(size)):
        raise ValueError(f"order={order}: expected some of {size} states, each once")
    if images is not None and (np.ndim(images) != 3 or len(images) != size):
        raise ValueError(f"images of shape {np.shape(images)}: expected ({size}, H, W)")
    ring = make_ring(found.p_bar[order], square=images is not None)
    flux = found.flux[np.ix_(order, order)]
    np.fill_diagonal(flux, 0)
    widest = float((flux + flux.T).max(initial=0))
    scale = ring.widest / (widest or 1)
    total = scale * np.triu(flux + flux.T, 1)
    least = np.sort(total, axis=None)[-min(LINES * len(order), total.size)]
    least = max(THINNEST, float(least))
    traffic = _draw_traffic(axes, ring, total, least)
    net = scale * (flux - flux.T)
    arrows = _draw_currents(axes, ring, order, found.cycle, net, least)
    nodes, numbers = [], []
    for place, state in enumerate(order):
        colour = DOMINANT if state in found.cycle else "0.5"
        image = None if images is None else np.asarray(images[state])
        nodes.append(_draw_node(axes, ring, place, image, colour))
        numbers.append(_draw_number(axes, ring, place, str(state)))
    beyond = max(np.abs(n.get_path().vertices).max(initial=1) for n in numbers)
    edge = np.abs(ring.centre).max(axis=1) + ring.side / 2
    limit = max(beyond, edge.max()) + 0.02
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set_axis_off()
    return CycleGraph(
        order,
        nodes,
        numbers,
        traffic,
        arrows,
        axes.set_title(_title(found)),
        found.cycle,
        found.affinity,
        found.share,
        widest,
        least / scale,
    )


def _draw_traffic(
    axes: Axes, ring: Ring, widths: np.ndarray, least: float
) -> PolyCollection:
    pairs = np.argwhere(widths >= least).tolist()
    ribbons = [ribbon(ring.line(*pair), widths[tuple(pair)]) for pair in pairs]
    drawn = PolyCollection(
        ribbons, facecolors=TRAFFIC, linewidths=0, zorder=1, label=LABELS[TRAFFIC]
    )
    axes.add_collection(drawn, autolim=False)
    return drawn


def _draw_currents(
    axes: Axes,
    ring: Ring,
    order: list[int],
    cycle: list[int],
    widths: np.ndarray,
    least: float,
) -> dict[tuple[int, int], Polygon]:
    """Arrows of `widths` from `least` on, and those of the cycle however thin."""
    on_cycle = set(zip(cycle, [*cycle[1:], *cycle[:1]], strict=True))
    dominant, others = [], []
    for start, end in np.argwhere(widths > 0).tolist():
        if (order[start], order[end]) in on_cycle:
            dominant.append((start, end, max(widths[start, end], THINNEST)))
        elif widths[start, end] >= least:
            others.append((start, end, widths[start, end]))
    drawn = {}
    for colour, lines in ((DOMINANT, dominant), (OTHER, others)):
        # One entry of a legend, for the first.
        label = LABELS[colour]
        for start, end, width in lines:
            points = ring.between(start, end)
            # Nodes that touch have no room.
            if len(points) < 3:
                continue
            outline = arrow(ring.centre[start], points, width, width + ring.widest / 2)
            patch = Polygon(outline, facecolor=colour, linewidth=0, label=label)
            patch.set_zorder(2.5 if colour == DOMINANT else 2)
            axes.add_artist(patch)
            drawn[order[start], order[end]] = patch
            label = None
    return drawn


def _draw_node(
    axes: Axes, ring: Ring, place: int, image: np.ndarray | None, colour: str
) -> Artist:
    centre, half = ring.centre[place], ring.side[place] / 2
    frame = {"edgecolor": colour, "linewidth": 0.4 if ring.crowded else 0.8}
    if image is None:
        return axes.add_patch(Circle(tuple(centre), half, fc="w", zorder=3, **frame))
    (left, bottom), (right, top) = centre - half, centre + half
    drawn = axes.imshow(
        image,
        cmap="Greys",
        vmin=0,
        vmax=1,
        extent=(left, right, bottom, top),
        # The pixels themselves in a vector file, and not one picture of all nodes.
        interpolation="none",
        zorder=3,
    )
    axes.add_artist(
        Rectangle((left, bottom), 2 * half, 2 * half, fill=False, zorder=3.5, **frame)
    )
    return drawn


def _draw_number(axes: Axes, ring: Ring, place: int, number: str) -> PathPatch:
    """In a node without an image where there is room, else outside of it."""
    centre, side = ring.centre[place], ring.side[place]
    height = min(0.08, 0.42 * ring.pitch)
    inside = min(0.45 * side, 0.7 * side / len(number))
    outside = ring.square or ring.crowded or inside < 0.6 * height
    if not outside:
        height = min(inside, 1.2 * height)
    text = TextPath((0, 0), number, size=1)
    (left, bottom), (right, top) = text.get_extents().get_points()
    size = height / (top - bottom)
    if outside:
        extent = np.array([right - left, top - bottom]) * size
        centre = ring.beside(place, extent + 0.4 * height)
    move = Affine2D().translate(-(left + right) / 2, -(bottom + top) / 2).scale(size)
    path = text.transformed(move.translate(*centre))
    drawn = PathPatch(path, facecolor="0.1", linewidth=0, zorder=4)
    axes.add_artist(drawn)
    return drawn


def _title(found: Measured) -> str:
    if not found.cycle:
        return "no net current"
    if not np.isfinite(found.affinity):
        return "dominant cycle of one-way jumps:\naffinity and $\\sigma$ infinite"
    words = f"dominant cycle: affinity {_three(found.affinity)} nats"
    if not np.isfinite(found.sigma):
        return f"{words},\n$\\sigma$ infinite by jumps outside of it"
    return (
        f"{words},\n{_three(100 * found.share)} % of $\\sigma$ = "
        f"{_three(found.sigma)} nats per double step"
    )


def _three(value: float) -> str:
    """Three digits, zeros at the end among them."""
    return f"{value:#.3g}".rstrip(".")
