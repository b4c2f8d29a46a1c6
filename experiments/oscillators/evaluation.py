"""How good samples of images are: a classifier, and distances to held-out images."""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.svm import SVC

from experiments.oscillators.data import GrayImages
from experiments.oscillators.metrics import energy_distance, nearest
from nelc_jax.oscillators import Noising

HELD_OUT = 0.2
"""Share of the images that no network and no classifier is trained on."""


class Evaluation:
    """The images split in training and held-out ones, and a ten-class classifier.

    Generation ends at the earliest noising time; so that like is compared with like,
    held-out and training images carry the noise of that time too.
    """

    def __init__(self, data: GrayImages, noising: Noising, key: jax.Array):
        split = int(len(data.x) * (1 - HELD_OUT))
        self._classifier = SVC(C=10).fit(data.x[:split], data.digits[:split])
        binary = data.digits < 2
        self.train = data.x[:split][binary[:split]]
        held_out = data.x[split:][binary[split:]]
        train_key, held_key, all_key = jax.random.split(key, 3)
        self.noised_train = _noised(noising, self.train, train_key)
        self.noised_held_out = _noised(noising, held_out, held_key)
        everyone = _noised(noising, data.x[split:], all_key)
        self.accuracy = float(self._classifier.score(everyone, data.digits[split:]))
        self.zeros = float(np.mean(data.digits[:split][binary[:split]] == 0))
        self._memory = np.median(nearest(self.noised_held_out, self.train)[0])

    def measure(self, x: np.ndarray) -> dict[str, float]:
        """The measures of one set of samples (N, n)."""
        called = self._classifier.predict(x)
        valid = called < 2
        zeros = float(np.mean(called[valid] == 0)) if valid.any() else np.nan
        distance = energy_distance(jnp.asarray(x), jnp.asarray(self.noised_held_out))
        return {
            "called_0_or_1": float(np.mean(valid)),
            "share_of_zeros": zeros,
            "energy_distance": float(distance),
            "nearest_training_distance": float(
                np.median(nearest(x, self.train)[0]) / self._memory
            ),
        }

    def measure_members(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The measures of samples (members, N, n), one value a member each."""
        found = [self.measure(one) for one in x]
        return {name: np.array([one[name] for one in found]) for name in found[0]}


def _noised(noising: Noising, x: np.ndarray, key: jax.Array) -> np.ndarray:
    @jax.jit
    def noised(key, x):
        times = jnp.full(len(x), noising.earliest)
        return noising.noise(jax.random.normal(key, x.shape), x, times)[0]

    return np.asarray(noised(key, x))
