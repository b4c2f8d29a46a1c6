"""Edges of the domain: smallest sizes, extreme weights, other dtypes; right answers.

References are NumPy in double precision, enumerations by `reference`, or the same call
with an ordinary input. One program a test at most: most calls are eager.
"""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def cheap_programs():
    """They are compiled for longer than they run."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
