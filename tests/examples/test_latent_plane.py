"""Quadrature, turning and current of the latent plane, where they are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import latent_plane as example
from nelc_jax import Gaussian, Model, Parameters

from .. import reference


@pytest.mark.parametrize("num_units", [1, 2])
def test_likelihood_of_a_boltzmann_machine(num_units):
    """w_bar = w^T: p(x) in closed form (docs/methods.md)."""
    rng = np.random.default_rng(0)
    w, a = rng.standard_normal((4, num_units)), rng.standard_normal(4)
    a_bar, x_mean = np.zeros(num_units), np.full(4, 0.5)
    arrays = (jnp.asarray(array, jnp.float32) for array in (w, a, w.T, a_bar))
    model = Model(
        Parameters(*arrays), jnp.full(4, 0.5, jnp.float32), Gaussian(num_units)
    )
    x = reference.bit_rows(4)
    log_p = x @ a + 0.5 * np.sum(((x - x_mean) @ w) ** 2, axis=1)
    log_p -= np.logaddexp.reduce(log_p)
    found = example.log_likelihood(model, jax.random.key(0), jnp.asarray(x), 64)
    # A chain of 2^15 double steps, of which a few are one independent one.
    assert abs(found - log_p.mean()) < 0.02
    # Control: uniform bits.
    assert abs(found + 4 * np.log(2)) > 0.2


def test_current_of_a_closed_path():
    """Around a square and back: what goes in goes out, and nothing is left of both."""
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    path = corners[np.arange(401) % 4]
    edges = [np.arange(-0.5, 3), np.arange(-0.5, 3)]
    first, second = example.current(path, edges)
    # Each side is one jump in four, and a bin in its middle of unit area and length.
    assert first[1, 0] == pytest.approx(1 / 4)
    assert first[1, 2] == pytest.approx(-1 / 4)
    assert second[2, 1] == pytest.approx(1 / 4)
    assert second[0, 1] == pytest.approx(-1 / 4)
    both = example.current(np.concatenate([path, path[::-1]]), edges)
    assert np.abs(both).max() < 1e-12
