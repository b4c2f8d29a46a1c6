"""The search for a learning rate: it ends with the best in the middle."""

from pathlib import Path

import numpy as np
import pytest

from experiments.advantage.parts import Part
from experiments.advantage.sweep import best, bracketed, sweep

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def part(rate, *likelihoods):
    values = np.array(likelihoods, float)
    return Part(Path("x"), None, rate, 1.0, values, values, {})  # pyright: ignore


@pytest.mark.parametrize(
    ("peak", "tried", "middle"),
    [
        (0.03, RATES[2:6], True),
        (0.01, RATES[0:6], True),
        (0.003, RATES[0:6], True),
        (0.001, RATES[0:6], False),
        (0.3, RATES[2:7], True),
        (1.0, RATES[2:7], False),
    ],
)
def test_it_goes_on_beside_the_best(peak, tried, middle):
    asked = []

    def train(rates):
        asked.append(tuple(rates))
        return [part(rate, -abs(np.log(rate / peak))) for rate in rates]

    parts = sweep(train, RATES[2:6], RATES)
    assert tuple(each.rate for each in parts) == tried
    assert best(parts).rate == peak
    assert bracketed(parts) == middle
    assert asked[:2] == [RATES[2:4], RATES[4:6]]
    # Nothing is trained twice.
    assert len(sum(asked, ())) == len(set(sum(asked, ())))


def test_the_best_is_that_of_the_median_model():
    lucky, good = part(0.1, -1, -9, -9), part(0.3, -5, -5, -5)
    broken = part(1.0, np.nan, np.nan, -1)
    assert best([lucky, good, broken]) is good
