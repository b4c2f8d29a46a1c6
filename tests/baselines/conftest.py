"""Small RBMs of both hidden layers, by the kind that `reference` gives them; data."""

import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import latent

from .machines import random_rbm


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


@pytest.fixture(scope="session")
def x():
    """300 points of a mixture of three noisy patterns of six bits."""
    rng = np.random.default_rng(0)
    patterns = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]])
    noisy = patterns[rng.integers(0, 3, 300)] ^ (rng.random((300, 6)) < 0.1)
    return jnp.asarray(noisy, bool)


@pytest.fixture
def points():
    """Four data points of five bits."""
    rows = [[1, 1, 0, 0, 1], [1, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1, 1, 0, 0, 1]]
    return jnp.asarray(rows, bool)
