"""Settings of the test session, and the small systems that the tests share."""

import gc
import os
import signal

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from experiments.command.devices import device_count_is_given

from . import reference

# Shells start background jobs with SIGINT ignored, `nohup` with SIGHUP, and children
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Most of the suite's time is the compilation of programs that run once: XLA's older
# emitters, without LLVM's optimisation and in one piece, take 40 % of it.  Child
# processes inherit this; flags from outside replace it, an empty XLA_FLAGS gives the
# programs that users run.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)
# Tracing makes many small objects, and hardly any in cycles: a tenth of the time.
gc.set_threshold(200_000, 20, 100)

# Before the backend starts: two devices for sharding, or as many as the environment
# asks for, and no silent rank promotion.
if not device_count_is_given():
    jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Neither this process nor its children keep what they compile for the next.
jax.config.update("jax_enable_compilation_cache", False)
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"


@pytest.fixture
def x64():
    """Double precision, for the comparisons with the brute force."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def two_devices():
    """Skipped where the environment asks for one device alone."""
    if jax.device_count() < 2:
        pytest.skip("a mesh needs two devices")


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


@pytest.fixture(params=reference.SPACES)
def space(request):
    """The systems of `system`, and a binary one declared too large to enumerate."""
    return reference.random_system(request.param)


@pytest.fixture
def data():
    """Four data points of five bits."""
    return np.random.default_rng(5).random((4, 5)) < 0.5


@pytest.fixture(scope="session")
def x():
    """300 points of a mixture of three noisy patterns of six bits."""
    rng = np.random.default_rng(0)
    patterns = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]])
    noisy = patterns[rng.integers(0, 3, 300)] ^ (rng.random((300, 6)) < 0.1)
    return jnp.asarray(noisy, bool)
