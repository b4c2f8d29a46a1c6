"""What is measured of many states, of which several chains count the transitions."""

import jax
import numpy as np

from experiments.training import measure
from nelc_jax import OneHot
from tests import reference


def test_several_chains_count_as_one(monkeypatch):
    """Each row of the counts follows that of the latent kernel."""
    monkeypatch.setattr(measure, "LARGE", 2)
    monkeypatch.setattr(measure, "COUNTED_STEPS", 32 * 250)
    system = reference.random_system("sigmoid")
    model = reference.to_model(system)
    assert model.latent == OneHot(3)
    start = model.x_mean > 0.5
    pairs = np.asarray(measure.count(model, jax.random.key(0), start))
    assert pairs.sum() == 32 * 249
    departures = pairs.sum(axis=1, keepdims=True) / pairs.sum()
    kernel = reference.latent_kernel(system)
    assert reference.follows(pairs, departures * kernel)
    # Control: the chain of other states is told from it.
    assert not reference.follows(pairs, departures * kernel[:, ::-1])
