"""What the peers share: the initialisation and the likelihood."""

import jax.numpy as jnp
import numpy as np

from benchmarks.peers import common
from nelc_jax import exact

from .. import reference
from .systems import D, L, random_systems


def as_arrays(systems):
    return {
        name: np.stack([getattr(s, name) for s in systems]).astype(np.float32)
        for name in ("w", "w_bar", "a_bar")
    }


def test_log_likelihood(x):
    """The estimate by draws agrees with the enumeration, more so with more draws."""
    systems = random_systems(x.mean(axis=0))
    expected = [
        exact.log_likelihood(reference.to_model(s), jnp.asarray(x)) for s in systems
    ]
    errors = [
        abs(common.log_likelihood(as_arrays(systems), x, draws) - expected).max()
        for draws in (8, 512, 20_000)
    ]
    assert errors[1] < 0.02
    assert errors[2] < min(0.003, errors[0])


def test_initialisation(x):
    """App. A1, and nothing of it depends on how members are split over processes."""
    parameters = common.init_parameters(x, range(4), L, seed=3)
    assert {name: value.shape for name, value in parameters.items()} == {
        "w": (4, D, L),
        "w_bar": (4, L, D),
        "a_bar": (4, L),
    }
    assert not parameters["w_bar"].any()
    assert not parameters["a_bar"].any()
    # Each column's probabilities are means of 50 points.
    mean = reference.sigmoid(parameters["w"].astype(float))
    np.testing.assert_allclose(mean * 50, np.rint(mean * 50), atol=1e-4)
    error = np.sqrt(x.mean(0) * (1 - x.mean(0)) / 50)
    assert (abs(mean - x.mean(0)[:, None]) < 4.5 * error[:, None]).all()
    assert len(np.unique(mean.swapaxes(1, 2).reshape(-1, D), axis=0)) == 4 * L

    part = common.init_parameters(x, range(2, 4), L, seed=3)
    np.testing.assert_array_equal(part["w"], parameters["w"][2:])
    chains = common.init_chains(x, range(400), seed=3)
    np.testing.assert_array_equal(chains[2:4], common.init_chains(x, range(2, 4), 3))
    assert abs(chains.mean(0) - x.mean(0)).max() < 4.5 * 0.5 / np.sqrt(400)
