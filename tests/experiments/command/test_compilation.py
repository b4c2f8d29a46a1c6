"""Programs that XLA takes more or less trouble with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.command import compilation
from experiments.command.compilation import Effort, Program


@pytest.fixture(autouse=True)
def no_flags(monkeypatch):
    """The suite's own come before an effort."""
    monkeypatch.setenv("XLA_FLAGS", "")


def test_any_effort_gives_the_same_function():
    def scaled(power, x):
        return jax.lax.fori_loop(0, power, lambda _, y: jnp.sin(x @ y), x)

    program = Program(scaled, static_argnums=0)
    x = np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)
    least, less, usual = (program(3, x, effort=effort) for effort in Effort)
    # Three products of five terms each, then a sine; the norm of x carries errors on.
    tolerance = 3 * 6 * np.finfo(np.float32).eps * np.linalg.norm(x, 2) ** 3
    np.testing.assert_allclose(least, usual, atol=tolerance)
    np.testing.assert_allclose(less, usual, atol=tolerance)


def test_what_an_xla_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(compilation, "OTHERS", {"xla_no_such_option": True})
    program = Program(lambda x: x + 1)
    assert program(1, effort=Effort.LEAST) == 2
    # Control: XLA refuses it.
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        jax.jit(lambda x: x + 1, compiler_options=compilation.OTHERS)(1)


def test_flags_come_first(monkeypatch):
    name = "xla_backend_optimization_level"
    assert Effort.LEAST.options()[name] == 0
    monkeypatch.setenv("XLA_FLAGS", f"--{name}=1")
    assert name not in Effort.LEAST.options()
    assert Effort.ALL.options() is None
