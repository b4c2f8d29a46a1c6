import jax
import numpy as np

from experiments.oscillators import gaussians


def test_measures_in_the_plane():
    """Of the paper's data, and of points that are as far as they are said to be."""
    plane = gaussians.NARROW
    x = gaussians.draw_data(plane, jax.random.key(0), 4000)
    # The errors of a share and of a median, 1 / (2 f sqrt(N)) at the density f there.
    assert abs(plane.mode_weight(x) - 0.6) < 5 * np.sqrt(0.24 / 4000)
    assert abs(plane.width(x) - 1) < 5 / (2 * np.log(2) * np.sqrt(4000))
    np.testing.assert_allclose(np.var(x[x[:, 0] > 0], axis=0), 0.001, rtol=0.15)
    assert plane.valley(x) == plane.astray(x) == 0
    points = np.array([[0.0, 0.0], [1.0, 1.6], [1.0, 1.4], [-1.0, -0.5]])
    assert plane.valley(points) == 0.25
    assert plane.astray(points) == 0.5
