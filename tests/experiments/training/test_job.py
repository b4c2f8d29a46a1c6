"""What becomes of what was trained."""

import numpy as np

from experiments.runs.progress import HISTORY_COLUMNS
from experiments.training.job import completed
from experiments.training.loop import Trained


def test_the_last_epoch_has_the_final_measures_where_it_had_none():
    """Not those of a frozen model, which are of an earlier epoch."""
    nan = np.nan
    history = {name: np.full(6, nan) for name in HISTORY_COLUMNS}
    history["epoch"], history["model"] = np.repeat([1, 2], 3), np.tile([0, 1, 2], 2)
    history["log_likelihood"] = np.array([-9, -8, -7, nan, nan, -4])
    numbers, lost = np.array([2, 0, 1]), np.array([0, 0, 2])
    trained = Trained(numbers, {}, numbers, lost, history, {}, {})
    found = completed(trained, {"log_likelihood": np.array([-1.0, -2.0, -3.0])})
    assert list(found) == list(HISTORY_COLUMNS)
    expected = [-9, -8, -7, -2, nan, -4]
    np.testing.assert_array_equal(found["log_likelihood"], expected)
    np.testing.assert_array_equal(found["relaxation_time"], np.full(6, nan))
