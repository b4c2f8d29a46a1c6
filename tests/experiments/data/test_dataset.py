"""A data set by itself: the points held out of it, and its digest."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.data.dataset import Dataset, held_out_part


def test_held_out_points_are_a_fifth_of_each_class():
    labels = np.repeat([0, 1, 2], [10, 15, 25]).astype(np.int32)
    x = np.arange(50)[:, None] % 2 == 0
    data = Dataset("d", x, labels, ("a", "b", "c"), None)
    train, held = held_out_part(data)
    assert np.bincount(held.labels).tolist() == [2, 3, 5]
    assert np.bincount(train.labels).tolist() == [8, 12, 20]
    with pytest.raises(UserError, match="at least 5"):
        held_out_part(Dataset("d", x[:3], None, (), None))


def test_no_other_data_have_the_same_digest():
    x = np.random.default_rng(0).random((6, 4)) < 0.5
    data = Dataset("d", x, np.arange(6, dtype=np.int32), (), None)
    changed = (
        {"x": ~x},
        {"x": x.reshape(4, 6)},
        {"x": x[::-1]},
        {"labels": None},
        {"labels": data.labels[::-1]},
    )
    found = {replace(data, **change).digest() for change in changed}
    assert len(found | {data.digest()}) == 1 + len(changed)
    assert replace(data, name="another").digest() == data.digest()
