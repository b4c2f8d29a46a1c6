"""The loops that are compared: depth 2, 3 and 4, with as many parameters."""

from dataclasses import dataclass
from itertools import pairwise

from nelc_jax import AbstractLatent, Binary, OneHot

ONE_HOT_RATE, BINARY_RATE = 0.1, 0.03
"""Learning rates at the start, of loops with one-hot layers alone and of the others."""


@dataclass(frozen=True)
class Design:
    """The hidden layers of a loop, and the rate it learns with at the start."""

    name: str
    layers: tuple[AbstractLatent, ...]
    learning_rate: float

    @property
    def depth(self) -> int:
        """K, the number of kernels."""
        return len(self.layers) + 1

    def num_parameters(self, num_visible: int) -> int:
        """How many numbers training changes, for D visible units.

        A bias that leaves a one-hot layer is not one of them (eq. 20).
        """
        sizes = [each.num_units for each in self.layers]
        weights = sum(a * b for a, b in pairwise([num_visible, *sizes, num_visible]))
        biases = [sizes[0]]
        for source, size in zip(self.layers, [*sizes[1:], num_visible], strict=True):
            biases.append(0 if source.absorbs_visible_bias else size)
        return weights + sum(biases)


def designs(units: int, quick: bool) -> list[Design]:
    """Loops of depth 2, 3 and 4 whose layers next to x have 2 `units` together.

    Even ones, of one-hot or of binary layers; *funnels* of one-hot layers, narrow where
    x enters and wide where it leaves; and *mixed*, a one-hot layer before a binary one.

    **Arguments:** `units`; `quick`, for three of them.
    """
    narrow = max(units // 2, 1)
    wide, between = 2 * units - narrow, units - units // 6
    one_hot = [(units,) * depth for depth in (1, 2, 3)]
    funnels = [(narrow, wide), (narrow, between, wide)]
    if quick:
        return [
            *(_design("one-hot", OneHot, sizes) for sizes in one_hot[:2]),
            _design("binary", Binary, one_hot[1]),
        ]
    return [
        *(_design("one-hot", OneHot, sizes) for sizes in one_hot),
        *(_design("binary", Binary, sizes) for sizes in one_hot),
        *(_design("funnel", OneHot, sizes) for sizes in funnels),
        Design(f"mixed {units}-{units}", (OneHot(units), Binary(units)), BINARY_RATE),
    ]


def _design(kind: str, layer: type, sizes: tuple[int, ...]) -> Design:
    rate = ONE_HOT_RATE if layer is OneHot else BINARY_RATE
    name = f"{kind} {'-'.join(map(str, sizes))}"
    return Design(name, tuple(layer(size) for size in sizes), rate)
