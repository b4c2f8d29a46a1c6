import jax
import numpy as np

from experiments.oscillators import digits
from experiments.oscillators.data import load_gray
from experiments.oscillators.evaluation import Evaluation


def test_measures_of_all_digits():
    """Data are clear and in proportion; noise and a single digit are not."""
    data = load_gray("digits", None, 8)
    images = Evaluation(data, digits.NOISING, jax.random.key(0), 10)
    found = images.measure(images.noised_held_out)
    assert found["clear"] > 0.8
    assert found["class_distance"] < 0.1
    shares = [found[f"share_of_{digit}"] for digit in range(10)]
    assert abs(sum(shares) - 1) < 1e-9
    noise = np.random.default_rng(0).normal(size=(100, 64))
    assert images.measure(noise)["clear"] < found["clear"] / 2
    zeros = images.train[images.called(images.train) == 0]
    assert abs(images.measure(zeros)["class_distance"] - 0.9) < 0.02
