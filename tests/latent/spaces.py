"""The latent spaces of the library, and their laws written out."""

import numpy as np
import pytest

from nelc_jax import Binary, OneHot

from .. import reference

L = 4
SPACES = (OneHot(L), OneHot(L, "softmax"), Binary(L))
ids = ("sigmoid", "softmax", "binary")
each_space = pytest.mark.parametrize("space", SPACES, ids=ids)


def brute_force(space, h):
    """p(z|x) of all states from one field: eq. 19, or eq. 9 summed over the states."""
    kind = getattr(space, "normalization", "binary")
    nothing = np.zeros((len(h), 1))
    system = reference.System(kind, nothing.T, np.zeros(1), nothing, h, np.zeros(1))
    return reference.backward_probabilities(system, np.zeros(1))
