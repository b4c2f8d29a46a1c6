"""Small RBMs of both hidden layers, by the kind that `reference` gives them."""

import jax.numpy as jnp
import pytest
import reference

from nelc_jax import latent
from nelc_jax.baselines import rbm


def random_rbm(kind, num_visible=5, num_units=3, seed=5):
    """The system of `reference.random_system` with w_bar tied to w, and that system."""
    system = reference.random_system(kind, num_visible, num_units, seed)
    # Half the weights: the joint law has both matrices in one, and still mixes.
    w = 0.5 * system.w
    system = system.replace(w=w, w_bar=w.T)
    model = reference.to_model(system)
    p = model.parameters
    machine = rbm.Rbm(rbm.Parameters(p.w, p.a, p.a_bar), model.x_mean, model.latent)
    return system, machine


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
