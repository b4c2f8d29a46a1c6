"""Settings of the test session, and the small systems that the tests share."""

import signal

import jax
import jaxtyping
import numpy as np
import pytest

from nelc_jax import latent

from . import reference

# Shells start background jobs with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before the backend starts: two devices for sharding, and no silent rank promotion.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def x64():
    """Double precision, for the comparisons with the brute force."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def unchecked():
    """The library as users run it: without the checks of types and shapes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(params=reference.KINDS)
def system(request):
    """A random system of each latent space, by enumeration over its states."""
    return reference.random_system(request.param)


@pytest.fixture(params=(*reference.KINDS, "sampled"))
def space(request, monkeypatch):
    """The systems of `system`, and a binary one declared too large to enumerate."""
    if request.param == "sampled":
        monkeypatch.setattr(latent, "MAX_ENUMERATED", 1)
        return reference.random_system("binary")
    return reference.random_system(request.param)


@pytest.fixture
def data():
    """Four data points of five bits."""
    return np.random.default_rng(5).random((4, 5)) < 0.5
