import numpy as np
from matplotlib.figure import Figure

from nelc_jax.plot import sample_grid, state_colours, trajectories


def test_a_grid_shows_every_sample_in_its_order():
    x = np.random.default_rng(0).random((12, 6)) < 0.5
    axes = Figure().subplots()
    grid = np.asarray(sample_grid(axes, x, (2, 3)).get_array())
    # One row of twelve, with a line around each.
    assert grid.shape == (1 * 3 + 1, 12 * 4 + 1)
    for number, point in enumerate(x):
        left = 1 + 4 * number
        np.testing.assert_array_equal(grid[1:3, left : left + 3], point.reshape(2, 3))
    assert not axes.axison
    axes = Figure().subplots()
    np.testing.assert_array_equal(sample_grid(axes, x).get_array(), x.T)
    assert axes.get_ylabel() == "visible unit"


def test_a_state_has_the_colour_of_its_place():
    z, order = np.array([[0, 1, 2], [2, 2, 0]]), [2, 0, 1]
    drawn = trajectories(Figure().subplots(), z, order)
    places = np.asarray(drawn.get_array())
    np.testing.assert_array_equal(np.array(order)[places], z)
    np.testing.assert_allclose(
        drawn.cmap(drawn.norm(places)), state_colours(3)(places), atol=1e-9
    )


def test_colours_differ():
    for count in (1, 9, 30):
        colours = state_colours(count)(np.arange(count))
        assert len(np.unique(colours, axis=0)) == count
