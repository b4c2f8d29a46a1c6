import numpy as np
import pytest

from experiments.oscillators.data import load_gray


@pytest.mark.parametrize("side", [6, 10])
def test_gray_digits(side):
    data = load_gray("digits", None, side)
    assert data.x.shape == (1797, side**2)
    assert data.x.min() >= -1.001
    assert data.x.max() <= 1.001
    assert np.bincount(data.digits).tolist()[:2] == [178, 182]
    # A zero has a hole in the middle, a one has ink there.
    middle = slice(side // 2 - 1, side // 2 + 1)
    centre = data.x.reshape(-1, side, side)[:, middle, middle].mean(axis=(1, 2))
    assert centre[data.digits == 0].mean() < -0.5 < 0 < centre[data.digits == 1].mean()
