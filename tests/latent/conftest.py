import numpy as np
import pytest

from .spaces import L


@pytest.fixture
def h():
    return 2 * np.random.default_rng(0).standard_normal((6, L))
