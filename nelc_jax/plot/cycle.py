"""The currents between latent states as a graph on a circle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Circle, PathPatch, Polygon, Rectangle
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from ..diagnostics import (
    cycle_states,
    entropy_production_rate_log,
    fluxes,
    fundamental_cycles,
)
from ._ring import Ring, arrow, make_ring, ribbon

__all__ = ["CycleGraph", "cycle_graph", "cycle_order"]

DOMINANT, OTHER, TRAFFIC = "#D55E00", "#0072B2", "0.85"
"""Colours of arrows and ribbons, told apart with any colour vision (Okabe and Ito)."""

THINNEST = 0.0025
"""Of the radius of the circle, a quarter of a point in a column: what is thinner is
not drawn."""

ROUNDING = 64
"""Units of rounding of the largest flux, below which a current is none."""


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
    log_M: Float[Array | np.ndarray, "S S"], p_bar: Float[Array | np.ndarray, " S"]
) -> list[int]:
    """All states, those of the dominant cycle in its order.

    Every other state, the most occupied first, stands where the net currents from the
    state before it and to the state after it are largest.

    **Arguments:** as `diagnostics.fundamental_cycles`.

    **Raises:** `ValueError` for nan.
    """
    return _order(_measure(log_M, p_bar))


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
    dominant cycle is orange, and the title has its affinity and its share of sigma;
    what is too thin to see is left out.

    The dominant cycle c is that of the largest J_c F_c among the fundamental cycles
    (`diagnostics.fundamental_cycles`), and its share J_c F_c / sigma. J_c is the
    smallest current on c, so that the share is at most one; shares of the others may be
    negative, and all of them sum to one. It is a share in that decomposition: cycles of
    another spanning tree divide the same sigma in other ways, and a chain whose cycles
    have many edges in common has none that stands for it. A cycle with one-way jumps
    has an infinite affinity, and no share.

    **Arguments:** `axes`, whose limits and aspect are set; `log_M[z', z]`, z' from,
    `-inf` where M is zero; `p_bar`; `images` in [0, 1], the mean image of each state;
    `order`, the states to draw, clockwise from the top: by default `cycle_order`.

    **Raises:** `ValueError` for nan, for images of another number, and for an `order`
    with a state twice or one that is not there.
    """
    found = _measure(log_M, p_bar)
    size = len(found.p_bar)
    order = _order(found) if order is None else [int(state) for state in order]
    if len(set(order)) < len(order) or not set(order) <= set(range(size)):
        raise ValueError(f"order={order}: expected some of {size} states, each once")
    if images is not None and (np.ndim(images) != 3 or len(images) != size):
        raise ValueError(f"images of shape {np.shape(images)}: expected ({size}, H, W)")
    ring = make_ring(found.p_bar[order], square=images is not None)
    flux = found.flux[np.ix_(order, order)]
    np.fill_diagonal(flux, 0)
    widest = float((flux + flux.T).max(initial=0))
    scale = ring.widest / (widest or 1)
    traffic = _draw_traffic(axes, ring, scale * (flux + flux.T))
    arrows = _draw_currents(axes, ring, order, found.cycle, scale * (flux - flux.T))
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
        THINNEST / scale,
    )


@dataclass(frozen=True)
class _Measured:
    p_bar: np.ndarray
    flux: np.ndarray
    sigma: float
    cycle: list[int]
    affinity: float
    share: float

    @property
    def net(self) -> np.ndarray:
        """J."""
        return self.flux - self.flux.T


# Compiled: one by one, its operations take four times as long to build.
_cycles = jax.jit(fundamental_cycles)


@jax.jit
def _sigma_and_flux(log_M: Float[Array, "S S"], p_bar: Float[Array, " S"]):
    return entropy_production_rate_log(log_M, p_bar), fluxes(jnp.exp(log_M), p_bar)


def _measure(log_M: Any, p_bar: Any) -> _Measured:
    for name, values in (("log_M", log_M), ("p_bar", p_bar)):
        if np.isnan(values).any():
            raise ValueError(f"{name} has nan: expected numbers")
    log_M, p_bar = jnp.asarray(log_M), jnp.asarray(p_bar)
    sigma, flux = map(np.asarray, _sigma_and_flux(log_M, p_bar))
    known = np.asarray(log_M) > -np.inf
    # A jump without a reverse is an edge as well: of a cycle that is never run back.
    least = np.where(known | known.T, np.log(np.finfo(flux.dtype).tiny), -np.inf)
    cycles = _cycles(jnp.maximum(log_M, least.astype(flux.dtype)), p_bar)
    cycle: list[int] = []
    rounding = ROUNDING * np.finfo(flux.dtype).eps * flux.max()
    # Of one or two states there is none.
    if len(p_bar) > 2 and cycles.current[0] > rounding:
        cycle = cycle_states(jax.tree.map(np.asarray, cycles), 0)
    affinity = share = 0.0
    if cycle:
        two_way = known.T[cycle, [*cycle[1:], cycle[0]]].all()
        affinity = float(cycles.affinity[0]) if two_way else np.inf
        share = float(cycles.contribution[0] / sigma) if sigma < np.inf else np.nan
    return _Measured(np.asarray(p_bar), flux, float(sigma), cycle, affinity, share)


def _order(found: _Measured) -> list[int]:
    order, forward = list(found.cycle), np.maximum(found.net, 0)
    for state in np.argsort(-found.p_bar, kind="stable").tolist():
        if state in order:
            continue
        after = [*order[1:], *order[:1]]
        gain = forward[order, state] + forward[state, after]
        # Behind all others where it has no part in any current.
        place = 1 + int(np.argmax(gain)) if gain.any() else len(order)
        order.insert(place, state)
    return order


def _draw_traffic(axes: Axes, ring: Ring, widths: np.ndarray) -> PolyCollection:
    pairs = np.argwhere(np.triu(widths, 1) >= THINNEST).tolist()
    ribbons = [ribbon(ring.line(*pair), widths[tuple(pair)]) for pair in pairs]
    drawn = PolyCollection(ribbons, facecolors=TRAFFIC, linewidths=0, zorder=1)
    axes.add_collection(drawn, autolim=False)
    return drawn


def _draw_currents(
    axes: Axes, ring: Ring, order: list[int], cycle: list[int], widths: np.ndarray
) -> dict[tuple[int, int], Polygon]:
    """Arrows of the given `widths`, and those of the cycle however thin."""
    on_cycle = set(zip(cycle, [*cycle[1:], *cycle[:1]], strict=True))
    drawn = {}
    for start, end in np.argwhere(widths > 0).tolist():
        pair = (order[start], order[end])
        dominant = pair in on_cycle
        width = max(widths[start, end], THINNEST * dominant)
        points = ring.between(start, end)
        if width >= THINNEST and len(points) > 2:
            outline = arrow(ring.centre[start], points, width, width + ring.widest / 2)
            drawn[pair] = axes.add_patch(
                Polygon(
                    outline,
                    facecolor=DOMINANT if dominant else OTHER,
                    linewidth=0,
                    zorder=2.5 if dominant else 2,
                )
            )
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
    axes.add_patch(
        Rectangle((left, bottom), 2 * half, 2 * half, fill=False, zorder=3.5, **frame)
    )
    return drawn


def _draw_number(axes: Axes, ring: Ring, place: int, number: str) -> PathPatch:
    """In a node without an image where there is room, else outside of it."""
    centre, side = ring.centre[place], ring.side[place]
    height = min(0.08, 0.45 * ring.pitch)
    inside = min(0.45 * side, 0.7 * side / len(number))
    if ring.square or ring.crowded or inside < 0.6 * height:
        outward = centre / np.hypot(*centre)
        centre = centre + outward * (ring.reach(place, outward) + 0.8 * height)
    else:
        height = min(inside, 1.2 * height)
    text = TextPath((0, 0), number, size=1)
    box = text.get_extents()
    move = Affine2D().translate(*-(box.min + box.max) / 2).scale(height / 0.66)
    path = text.transformed(move.translate(*centre))
    return axes.add_patch(PathPatch(path, facecolor="0.1", linewidth=0, zorder=4))


def _title(found: _Measured) -> str:
    if not found.cycle:
        return "no net current"
    if not np.isfinite(found.affinity):
        return "dominant cycle of one-way jumps:\naffinity and σ infinite"
    words = f"dominant cycle: affinity {_three(found.affinity)} nats"
    if not np.isfinite(found.sigma):
        return f"{words},\nσ infinite by jumps outside of it"
    return (
        f"{words},\n{_three(100 * found.share)} % of σ = {_three(found.sigma)} "
        "nats per double step"
    )


def _three(value: float) -> str:
    """Three digits, zeros at the end among them."""
    return f"{value:#.3g}".rstrip(".")
