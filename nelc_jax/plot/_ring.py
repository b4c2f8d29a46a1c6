"""Nodes on a circle of radius 1, and the ribbons and arrows that join them.

All in the units of the axes, so that a drawing keeps its proportions at any size.
"""

from typing import NamedTuple

import numpy as np

FILL, FILL_OF_MANY = 0.58, 0.68
"""Mean side of two neighbours, of the distance between their centres."""

LARGEST = 0.7
"""The side of a node at most."""

BEND = 0.2
"""How much nearer to the centre the middle of a line between no neighbours is drawn."""

CLEARANCE = 0.04
"""Between an arrow and its nodes, of the distance between neighbours."""


class Ring(NamedTuple):
    """Centres (N, 2) of the nodes, clockwise from the top, and their sides (N,)."""

    centre: np.ndarray
    side: np.ndarray
    square: bool

    @property
    def pitch(self) -> float:
        """The mean distance between neighbours along the circle."""
        return 2 * np.pi / len(self.side)

    @property
    def widest(self) -> float:
        """The width of a line at most."""
        return min(0.3 * self.pitch, 0.16)

    @property
    def crowded(self) -> bool:
        """Whether numbers in the nodes would be too small to read."""
        return len(self.side) > 20

    def beside(self, node: int, extent: np.ndarray) -> np.ndarray:
        """The centre of something of this width and height, just outside of a node."""
        outward = self.centre[node] / np.hypot(*self.centre[node])
        apart = (self.side[node] + extent) / 2
        return self.centre[node] + outward * np.min(
            apart / np.maximum(np.abs(outward), 1e-9)
        )

    def line(self, start: int, end: int) -> np.ndarray:
        """Points (P, 2) from centre to centre, on the inner side of nodes between."""
        first, last = self.centre[start], self.centre[end]
        middle, t = (first + last) / 2, np.linspace(0, 1, 129)[:, None]
        passed = self._passed(start, end)
        if passed.size:
            radius = np.hypot(*middle)
            free = 1 - 0.75 * passed.max() - 0.25 * self.pitch
            # A parabola comes half as near to the centre as its control point.
            middle = middle * min(1 - BEND, 2 * free / max(radius, 1e-3) - 1)
        return (1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t**2 * last

    def _passed(self, start: int, end: int) -> np.ndarray:
        """The sides of the nodes between two, on the shorter way round."""
        count = len(self.side)
        ahead = (end - start) % count
        if 2 * ahead > count:
            start, ahead = end, count - ahead
        return self.side[(start + np.arange(1, ahead)) % count]

    def between(self, start: int, end: int) -> np.ndarray:
        """The part of `line` outside of both nodes."""
        points = self.line(start, end)
        outside = np.ones(len(points), bool)
        for node in (start, end):
            offset = np.abs(points - self.centre[node])
            distance = offset.max(axis=1) if self.square else np.hypot(*offset.T)
            outside &= distance > self.side[node] / 2 + CLEARANCE * min(self.pitch, 0.5)
        return points[outside]


def make_ring(weight: np.ndarray, square: bool) -> Ring:
    """Nodes in order, with areas in proportion to their weights.

    Half of the circle is shared equally, for their numbers, and half by side.
    """
    root = np.sqrt(np.maximum(weight, 1e-4 * weight.max()))
    share = 1 / len(root) + root / root.sum()
    angle = np.pi * (np.cumsum(share) - share / 2)
    angle -= angle[0]
    centre = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    scale = LARGEST / root.max()
    if len(root) > 1:
        apart = np.hypot(*(np.roll(centre, -1, axis=0) - centre).T)
        fill = np.interp(len(root), (6, 24), (FILL, FILL_OF_MANY))
        scale = min(scale, (2 * fill * apart / (np.roll(root, -1) + root)).min())
    return Ring(centre, scale * root, square)


def ribbon(points: np.ndarray, width: float) -> np.ndarray:
    """The outline of a line of some width."""
    side = _normals(points) * width / 2
    return np.concatenate([points + side, (points - side)[::-1]])


def arrow(start: np.ndarray, points: np.ndarray, width: float, head: float):
    """The outline of an arrow from a start and along a line.

    Its head is `head` wide and as long, but no longer than four fifths of the line.
    """
    length = np.append(0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    neck = np.searchsorted(length, max(length[-1] - head, length[-1] / 5))
    neck = min(neck, len(points) - 2)
    shaft = np.concatenate([start[None], points[: neck + 1]])
    across = _normals(np.concatenate([shaft, points[-1:]]))[:-1]
    side, wing, base = across * width / 2, across[-1] * head / 2, shaft[-1]
    point = [base + wing, points[-1], base - wing]
    return np.concatenate([shaft + side, point, (shaft - side)[::-1]])


def _normals(points: np.ndarray) -> np.ndarray:
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return across / np.hypot(*across.T)[:, None]
