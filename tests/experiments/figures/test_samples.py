"""Samples as a grid, trajectories of latent states, and chains as an animation."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from experiments.figures.samples import grid_figure, trajectory_figure, write_animation


def test_a_grid_shows_every_sample():
    x = np.random.default_rng(0).random((23, 6)) < 0.5
    shown = np.asarray(grid_figure(x, (2, 3)).axes[0].get_images()[0].get_array())
    rows, columns = shown.shape[0] // 3, shown.shape[1] // 4
    assert rows * columns >= 23
    for number, point in enumerate(x):
        top, left = 1 + 3 * (number // columns), 1 + 4 * (number % columns)
        image = shown[top : top + 2, left : left + 3]
        np.testing.assert_array_equal(image, point.reshape(2, 3))
    stripes = grid_figure(x, None).axes[0].get_images()[0].get_array()
    np.testing.assert_array_equal(stripes, x.T)


@pytest.mark.parametrize("states", [1, 3, 16])
def test_trajectories_stand_in_the_order_of_the_cycle(states):
    order = [*range(1, states), 0]
    z = np.random.default_rng(0).integers(0, states, (4, 9))
    figure = trajectory_figure(z, order, np.full((states, 5), 0.5), None)
    assert isinstance(figure, Figure)
    line, rows = figure.axes[-2:]
    places = np.asarray(rows.get_images()[0].get_array())
    np.testing.assert_array_equal(np.array(order)[places], z)
    np.testing.assert_array_equal(line.get_lines()[0].get_ydata(), places[0])
    # Nine steps: ticks at whole numbers only.
    for axes in (line, rows):
        ticks = axes.get_xticks()
        np.testing.assert_array_equal(ticks, np.round(ticks))
    # Many states have no portraits.
    assert len(figure.axes) == (2 if states > 12 else 2 + states)


def test_animation_without_images(tmp_path):
    x = np.arange(2 * 3 * 5).reshape(2, 3, 5) % 2 == 0
    write_animation(tmp_path / "a.gif", x, np.zeros((2, 3), int), None)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 3
