"""Small RBMs of both hidden layers, by the kind that `reference` gives them; data."""

import jax.numpy as jnp
import pytest

from .rbms import random_rbm


@pytest.fixture(params=("softmax", "binary"))
def pair(request):
    """A system and its RBM."""
    return random_rbm(request.param)


@pytest.fixture(params=("softmax", "binary", "sampled"))
def space(request):
    """The same, and a binary one declared too large to enumerate."""
    return random_rbm(request.param)


@pytest.fixture
def points():
    """Four data points of five bits."""
    rows = [[1, 1, 0, 0, 1], [1, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1, 1, 0, 0, 1]]
    return jnp.asarray(rows, bool)
