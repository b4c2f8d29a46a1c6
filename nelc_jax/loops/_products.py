"""Products of the stochastic matrices round a loop, and the laws that they leave."""

from collections.abc import Sequence

from jaxtyping import Array, Float

from .._linear import contract
from ..markov import stationary_distribution


def one_turn(kernels: Sequence[Float[Array, "_ _"]], layer: int) -> Array:
    """The product of all kernels, beginning with the one that leaves a layer."""
    first, *others = (*kernels[layer:], *kernels[:layer])
    for T in others:
        first = contract(first, T)
    return first


def smallest_layer(kernels: Sequence[Float[Array, "_ _"]]) -> int:
    """The layer of the fewest states, which one turn is cheapest to see at."""
    return min(range(len(kernels)), key=lambda k: len(kernels[k]))


def stationary_laws(
    kernels: Sequence[Float[Array, "_ _"]],
) -> tuple[Float[Array, " _"], ...]:
    """The stationary law of the layer that each kernel leaves."""
    first = smallest_layer(kernels)
    laws = [stationary_distribution(one_turn(kernels, first))]
    for T in (*kernels[first:], *kernels[:first])[:-1]:
        laws.append(contract(laws[-1], T))
    begin = len(kernels) - first
    return (*laws[begin:], *laws[:begin])
