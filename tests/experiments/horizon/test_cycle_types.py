"""Kernels that are permutations, and how often chance makes them."""

import itertools
import math

import numpy as np
import pytest

from experiments.horizon.cycle_types import (
    cycle_lengths,
    cycle_types,
    random_permutations,
)


def test_chance_of_cycle_types_by_enumeration():
    """All 4^4 maps of four states."""
    maps = [np.array(m) for m in itertools.product(range(4), repeat=4)]
    found = cycle_types(np.stack([np.eye(4)[m] for m in maps]))
    expected = random_permutations(4)
    assert found.permutations == pytest.approx(expected.permutations)
    assert found.single == pytest.approx(expected.single)
    assert found.fixed == pytest.approx(expected.fixed)


def test_cycle_lengths():
    assert cycle_lengths(np.array([1, 2, 0, 4, 3, 5])) == [3, 2, 1]
    assert cycle_lengths(np.array([1, 1, 0])) is None
    types = cycle_types(np.eye(3)[None][:, [1, 1, 0]])
    assert types.permutations == 0
    assert math.isnan(types.single)
