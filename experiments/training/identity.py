"""A rule in words, and the program of its optimiser: for a run that goes on."""

import hashlib
import re

import jax
import numpy as np

from experiments.training.ensemble import state_structure
from nelc_jax.training import AbstractRule


def rule_in_words(rule: AbstractRule) -> str:
    """A rule in one line, the same in every process: functions without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", " ".join(repr(rule).split()))


def optimizer_digest(rule: AbstractRule, x: np.ndarray) -> str | None:
    """A digest of what the optimiser computes, with the numbers inside of it.

    Its functions hold them, which have no words. Other versions of JAX write the same
    program in another way. None for a rule without an `optimizer`.
    """
    optimizer = getattr(rule, "optimizer", None)
    if optimizer is None:
        return None
    parameters = state_structure(rule, x).model.parameters
    state = jax.eval_shape(optimizer.init, parameters)
    begin = jax.jit(optimizer.init).lower(parameters)
    update = jax.jit(optimizer.update).lower(parameters, state, parameters)
    program = begin.as_text() + update.as_text()
    return hashlib.sha256(program.encode()).hexdigest()[:16]
