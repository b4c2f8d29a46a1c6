"""Groups of models that train together, from the files of their states."""

import chex
import numpy as np

from experiments.runs.checkpoint import Checkpoint
from experiments.runs.groups import form_groups


def saved(numbers, epoch):
    """States and history in which every model and epoch has numbers of its own."""
    numbers = np.array(numbers)
    epochs = np.repeat(np.arange(1, epoch + 1), len(numbers))
    models = np.tile(numbers, epoch)
    history = {"epoch": epochs, "model": models, "sigma": 100 * epochs + models}
    return Checkpoint({}, numbers, epoch, 1.5, {"state": 10 * numbers + epoch}, history)


def numbers_of(groups):
    return [group.numbers.tolist() for group in groups]


def test_of_two_states_of_a_model_the_latest_counts():
    old, new = saved([5, 6], 2), saved([6], 3)
    for files in ([old, new], [new, old]):
        five, six = form_groups(files, old.numbers, 2)
        assert (five.numbers.tolist(), five.progress.epoch) == ([5], 2)
        assert (six.numbers.tolist(), six.progress.epoch) == ([6], 3)
        chex.assert_trees_all_equal(five.states, {"state": np.array([52])})
        chex.assert_trees_all_equal(six.states, new.states)


def test_models_that_are_equally_far_train_together():
    apart = [saved([0, 1], 3), saved([2], 3), saved([3, 4], 1)]
    groups = form_groups(apart, np.arange(6), 4)
    assert numbers_of(groups) == [[0, 1, 2], [3, 4], [5]]
    assert [group.progress.epoch for group in groups] == [3, 1, 0]
    # A history as if they had always been together, and their share of the seconds.
    together = saved([0, 1, 2], 3)
    chex.assert_trees_all_equal(groups[0].states, together.states)
    (history,) = groups[0].progress.rows
    chex.assert_trees_all_equal(history, together.history)
    assert groups[0].progress.seconds == 0.75 * 2 + 1.5
    assert groups[2].states is None
    assert numbers_of(form_groups(apart, np.arange(6), 2)) == [[0, 1], [2], [3, 4], [5]]
