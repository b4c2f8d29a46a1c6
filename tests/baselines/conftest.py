"""Small RBMs of both hidden layers, by the kind that `reference` gives them."""

import jax.numpy as jnp
import pytest
from machines import random_rbm

from nelc_jax import latent


@pytest.fixture(params=("softmax", "binary"))
def pair(request):
    """A system and its RBM."""
    return random_rbm(request.param)


@pytest.fixture(params=("softmax", "binary", "sampled"))
def space(request, monkeypatch):
    """The same, and a binary one declared too large to enumerate."""
    if request.param == "sampled":
        monkeypatch.setattr(latent, "MAX_ENUMERATED", 1)
        return random_rbm("binary")
    return random_rbm(request.param)


@pytest.fixture
def points():
    """Four data points of five bits."""
    rows = [[1, 1, 0, 0, 1], [1, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1, 1, 0, 0, 1]]
    return jnp.asarray(rows, bool)
