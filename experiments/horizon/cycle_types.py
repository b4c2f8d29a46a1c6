"""Permutations among trained kernels, against permutations drawn at random.

A nearly deterministic kernel M is a map of the latent states to themselves: each state
to its most probable successor. With p_bar near uniform it must be a permutation, and a
permutation is made of cycles.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CycleTypes:
    """Shares of models: `permutations` among all; `single` and `fixed` among those.

    `single`: one cycle through all states; `fixed`: with a state that stays itself.
    """

    permutations: float
    single: float
    fixed: float


def cycle_types(kernels: np.ndarray) -> CycleTypes:
    """The shares among kernels M (models, S, S), each state followed by its likeliest.

    The last two are nan without a permutation.
    """
    found = [cycle_lengths(kernel.argmax(axis=1)) for kernel in kernels]
    lengths = [one for one in found if one is not None]
    if not lengths:
        return CycleTypes(0.0, math.nan, math.nan)
    return CycleTypes(
        len(lengths) / len(found),
        float(np.mean([len(one) == 1 for one in lengths])),
        float(np.mean([1 in one for one in lengths])),
    )


def random_permutations(size: int) -> CycleTypes:
    """The same of maps whose S images are drawn at random.

    S! of S^S maps are permutations; of these 1/S are a single cycle, and the share
    without a fixed point is sum_k (-1)^k / k!.
    """
    deranged = sum((-1) ** k / math.factorial(k) for k in range(size + 1))
    return CycleTypes(math.factorial(size) / size**size, 1 / size, 1 - deranged)


def cycle_lengths(successor: np.ndarray) -> list[int] | None:
    """The lengths of the cycles of a permutation; None for any other map."""
    if len(set(successor.tolist())) < len(successor):
        return None
    lengths, seen = [], set()
    for start in range(len(successor)):
        state, length = start, 0
        while state not in seen:
            seen.add(state)
            state, length = int(successor[state]), length + 1
        if length:
            lengths.append(length)
    return lengths
