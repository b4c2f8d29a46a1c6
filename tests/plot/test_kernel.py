import numpy as np
import pytest
from matplotlib.figure import Figure

from nelc_jax.plot import kernel_map

from .. import reference


@pytest.mark.parametrize("size", [3, 20])
def test_origins_go_down_and_values_stand_in_the_cells_of_few_states(size):
    M = reference.random_stochastic(size, 0)
    axes = Figure().subplots()
    drawn = kernel_map(axes, M)
    np.testing.assert_array_equal(drawn.get_array(), M)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("to $z$", "from $z$′")
    if size == 20:
        assert drawn.get_clim() == (0, M.max())
        assert not axes.texts
        return
    assert drawn.get_clim() == (0, 1)
    for text in axes.texts:
        column, row = text.get_position()
        assert float(text.get_text()) == pytest.approx(M[row, column], abs=0.0051)


def test_states_of_a_part_keep_their_numbers():
    states = np.arange(3, 40, 2)
    axes = Figure().subplots()
    kernel_map(axes, np.full((19, 19), 1 / 19), states)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [str(states[int(place)]) for place in axes.get_xticks()]
