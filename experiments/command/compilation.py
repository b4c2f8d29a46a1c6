"""Programs that XLA compiles quickly where its optimisations would not pay."""

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from typing import Any

import jax

QUICK: Mapping[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


class Program:
    """A function for `jax.jit`, compiled in one of two ways.

    `thorough`, as XLA does by itself; `quick`, without its optimisations on a CPU, for
    what runs once, or leaves the work to C: an eighth of the time to compile.
    """

    def __init__(self, function: Callable, **settings: Any):
        self._jit = partial(jax.jit, function, **settings)

    def __call__(self, *arguments: Any, quick: bool) -> Any:
        """Run it."""
        return (self.quick if quick else self.thorough)(*arguments)

    @cached_property
    def thorough(self) -> Callable:
        """Compiled with all that XLA does."""
        return self._jit()

    @cached_property
    def quick(self) -> Callable:
        """Compiled without optimisations, if it is for a CPU."""
        return self._jit(compiler_options=_quick_options())


def _quick_options() -> dict[str, Any] | None:
    """Those of `QUICK` that this XLA knows; none but for a CPU."""
    if jax.default_backend() != "cpu":
        return None
    return {name: value for name, value in QUICK.items() if _is_known(name, value)}


@cache
def _is_known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
