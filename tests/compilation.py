"""Programs whose runs take longer than their compilation does."""

from functools import partial

import jax

long_run = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 2})
"""`jax.jit` with LLVM's optimisation, which `conftest.py` switches off."""
