import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators import metrics


def test_energy_distance():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(40, 3)) + 1

    def mean(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1).sum()

    expected = 2 * mean(x, y) / 1200 - mean(x, x) / 870 - mean(y, y) / 1560
    found = metrics.energy_distance(jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_entropy_and_neighbours():
    x = np.asarray(2 * jax.random.normal(jax.random.key(0), (4000, 2)))
    expected = np.log(2 * np.pi * np.e * 4)
    assert abs(metrics.entropy(x) - expected) < 0.06
    distances, numbers = metrics.nearest(x[:5] + 1e-6, x)
    assert numbers.tolist() == [0, 1, 2, 3, 4]
    assert (distances < 1e-5).all()
    mean, error = metrics.mean_and_error(np.array([1.0, 3.0]))
    assert (mean, error) == (2, 1)
    assert np.isnan(metrics.mean_and_error(np.array([1.0]))[1])
