"""How much of XLA's optimisation a program is worth."""

import os
from collections.abc import Callable
from enum import Enum
from functools import cache, partial
from typing import Any

import jax


class Effort(Enum):
    """XLA's options on a CPU: what a program should have, and its level of them.

    `LEAST`, for what takes no time: a sixth of the time to compile. `LESS`, for what
    leaves its work to C: half of the time. `ALL`, what XLA does by itself.
    """

    LEAST = 0
    LESS = 2
    ALL = None

    def options(self) -> dict[str, Any] | None:
        """For `jax.jit`: those that this XLA knows; none but for a CPU.

        What XLA_FLAGS says comes first.
        """
        if self is Effort.ALL or jax.default_backend() != "cpu":
            return None
        options = {"xla_backend_optimization_level": self.value, **OTHERS}
        said = os.environ.get("XLA_FLAGS", "")
        return {
            name: value
            for name, value in options.items()
            if name not in said and _known(name, value)
        }


OTHERS = {
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


class Program:
    """A function under `jax.jit`, which each call asks an effort of."""

    def __init__(self, function: Callable, **settings: Any):
        self._jit = partial(jax.jit, function, **settings)
        self._compiled: dict[Effort, Callable] = {}

    def __call__(self, *arguments: Any, effort: Effort) -> Any:
        """Compile it, unless it is, and run it."""
        if effort not in self._compiled:
            self._compiled[effort] = self._jit(compiler_options=effort.options())
        return self._compiled[effort](*arguments)


@cache
def _known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
