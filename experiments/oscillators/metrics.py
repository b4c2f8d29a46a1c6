"""How near samples are to data: distances between sets of points, and entropies."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import digamma, gammaln
from sklearn.neighbors import NearestNeighbors


@jax.jit
def energy_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, an unbiased estimate from x (N, n), y (M, n).

    Zero in the mean for samples of one law, and then negative half of the time.
    """
    num, other = x.shape[0], y.shape[0]
    within = _total(x, x) / (num * (num - 1)) + _total(y, y) / (other * (other - 1))
    return 2 * _total(x, y) / (num * other) - within


def _total(x: jax.Array, y: jax.Array) -> jax.Array:
    """The sum of all distances."""

    def row(point):
        return jnp.sum(jnp.linalg.norm(y - point[None], axis=1))

    return jnp.sum(jax.lax.map(row, x, batch_size=64))


def nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every point the distance to the nearest of `others`, and its number."""
    distances, numbers = NearestNeighbors(n_neighbors=1).fit(others).kneighbors(points)
    return distances[:, 0], numbers[:, 0]


def entropy(x: np.ndarray) -> float:
    """Differential entropy in nats by nearest neighbours (Kozachenko and Leonenko)."""
    num, dimensions = x.shape
    distances = NearestNeighbors(n_neighbors=2).fit(x).kneighbors(x)[0][:, 1]
    ball = dimensions / 2 * np.log(np.pi) - gammaln(dimensions / 2 + 1)
    logs = np.log(np.maximum(distances, np.finfo(x.dtype).tiny))
    return float(digamma(num) - digamma(1) + ball + dimensions * np.mean(logs))


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean over members, and its standard error (undefined for one)."""
    count = len(values)
    error = np.std(values, ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return float(np.mean(values)), float(error)
