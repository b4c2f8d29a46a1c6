"""Which latent states and units a figure shows, and how they are numbered."""

import numpy as np

from nelc_jax import AbstractLatent


def most(values: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` largest values, in order."""
    return np.sort(np.argsort(-values, kind="stable")[:count])


def listed_states(latent: AbstractLatent) -> np.ndarray:
    """All latent states, one a row; none where they are sampled."""
    if not latent.enumerable:
        return np.zeros((0, latent.num_units), bool)
    return np.asarray(latent.states())


def units_are_states(states: np.ndarray) -> bool:
    """Whether in each of the `states` (S, L) one unit is on, its own."""
    return np.array_equal(states, np.eye(states.shape[1]))


def numbered_by_bits(states: np.ndarray) -> bool:
    """Whether the number of each of the `states` is its bits, first unit lowest."""
    places = 2 ** np.arange(states.shape[1])
    return np.array_equal(states @ places, np.arange(len(states)))
