import numpy as np

from experiments.verdict.sampling import match


def test_match():
    assert match(np.array([1.0, 5.0]), np.array([4.0, 0.0, 9.0])).tolist() == [1, 0]
