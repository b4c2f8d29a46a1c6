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


CLEAR = 0.5
"""By which a digit has to win against each of the nine others, in margins."""


class Evaluation:
    """The images split in training and held-out ones, and a ten-class classifier.

    Generation ends at the earliest noising time; so that like is compared with like,
    held-out and training images carry the noise of that time too. The digits that are
    generated are the first `classes`.
    """

    def __init__(self, data: GrayImages, noising: Noising, key: jax.Array, classes=2):
        split = int(len(data.x) * (1 - HELD_OUT))
        self.classes = classes
        self._classifier = SVC(C=10, decision_function_shape="ovo").fit(
            data.x[:split], data.digits[:split]
        )
        wanted = data.digits < classes
        self.train = data.x[:split][wanted[:split]]
        held_out = data.x[split:][wanted[split:]]
        self.held_out_digits = data.digits[split:][wanted[split:]]
        train_key, held_key, all_key = jax.random.split(key, 3)
        self.noised_train = _noised(noising, self.train, train_key)
        self.noised_held_out = _noised(noising, held_out, held_key)
        everyone = _noised(noising, data.x[split:], all_key)
        self.accuracy = float(self._classifier.score(everyone, data.digits[split:]))
        counts = np.bincount(data.digits[:split][wanted[:split]], minlength=classes)
        self.shares = counts / counts.sum()
        self._memory = np.median(nearest(self.noised_held_out, self.train)[0])

    def called(self, x: np.ndarray) -> np.ndarray:
        """The digits that the classifier sees in images (N, n)."""
        return self._classifier.predict(x)

    def measure(self, x: np.ndarray) -> dict[str, float]:
        """The measures of one set of samples (N, n)."""
        called = self.called(x)
        distance = energy_distance(jnp.asarray(x), jnp.asarray(self.noised_held_out))
        own = self._of_two(called) if self.classes == 2 else self._of_many(x, called)
        return {
            **own,
            "energy_distance": float(distance),
            "nearest_training_distance": float(
                np.median(nearest(x, self.train)[0]) / self._memory
            ),
        }

    def _of_two(self, called: np.ndarray) -> dict[str, float]:
        valid = called < 2
        zeros = float(np.mean(called[valid] == 0)) if valid.any() else np.nan
        return {"called_0_or_1": float(np.mean(valid)), "share_of_zeros": zeros}

    def _of_many(self, x: np.ndarray, called: np.ndarray) -> dict[str, float]:
        """How many are clear, and the shares of the digits against those in training.

        `class_distance` is half the sum of the differences: the share of samples that
        would have to be others.
        """
        shares = np.bincount(called, minlength=10) / len(called)
        wanted = np.append(self.shares, np.zeros(10 - self.classes))
        return {
            "clear": float(np.mean(self._lead(x, called) > CLEAR)),
            "class_distance": float(np.abs(shares - wanted).sum() / 2),
        } | {f"share_of_{digit}": float(share) for digit, share in enumerate(shares)}

    def _lead(self, x: np.ndarray, called: np.ndarray) -> np.ndarray:
        """By how much the digit that is called wins against the next best one."""
        duels = self._classifier.decision_function(x)
        against = np.full((len(x), 10, 10), np.inf)
        first, second = np.triu_indices(10, 1)
        against[:, first, second], against[:, second, first] = duels, -duels
        return against[np.arange(len(x)), called].min(axis=-1)

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
