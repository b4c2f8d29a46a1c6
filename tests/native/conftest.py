"""What the tests of the native path need: a compiler, and one cache for all of them."""

import pytest

from nelc_jax._native import compiler


@pytest.fixture(scope="session")
def command():
    """A C compiler of this machine."""
    try:
        return compiler.find_compiler()
    except compiler.Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def native(command):
    """The libraries that the tests compare with XLA."""
    if compiler.shared_object(8) is None:
        pytest.skip("the native path cannot be had here")
