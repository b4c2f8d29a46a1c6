"""Groups of models that were trained in turn become one ensemble."""

import numpy as np

from experiments.runs.progress import HISTORY_COLUMNS
from experiments.training.loop import Trained, join


def part(numbers, epochs=3):
    """Models whose numbers stand in all their arrays."""
    numbers = np.asarray(numbers)
    history = {name: np.tile(numbers, epochs) + 0.5 for name in HISTORY_COLUMNS}
    history["epoch"] = np.repeat(np.arange(1, epochs + 1), len(numbers))
    history["model"] = np.tile(numbers, epochs)
    seconds = {"training": 1.0, "measuring": 0.25}
    lost = numbers + 1
    return Trained(numbers, {"w": numbers}, numbers, lost, history, numbers, seconds)


def test_the_history_is_in_the_order_of_epochs_and_models():
    joined = join([part([0, 1]), part([2])])
    for array in (joined.numbers, joined.model["w"], joined.x, joined.measured):
        np.testing.assert_array_equal(array, [0, 1, 2])
    np.testing.assert_array_equal(joined.diverged_in, [1, 2, 3])
    np.testing.assert_array_equal(joined.history["epoch"], np.repeat([1, 2, 3], 3))
    np.testing.assert_array_equal(joined.history["model"], np.tile([0, 1, 2], 3))
    expected = np.tile([0.5, 1.5, 2.5], 3)
    np.testing.assert_array_equal(joined.history["log_likelihood"], expected)
    assert joined.seconds == {"training": 2.0, "measuring": 0.5}
