"""The programs that accelerators get, which a CPU can run as well."""

import contextlib

import jax
import pytest


@contextlib.contextmanager
def as_accelerator():
    """What is traced here is what accelerators get of `platform_dependent`."""

    def of_others(*arguments, cpu, default):
        return default(*arguments)

    # What was traced before is of the other kind, and so is what is traced after.
    jax.clear_caches()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.lax, "platform_dependent", of_others)
        yield
    jax.clear_caches()
