"""One good call of every public function and method that checks its arguments.

All sizes differ (N = 4 points of D = 5 bits, L = 3 units, T = 6 steps, two batches), so
that none passes for another. The tests of bad input change one argument of a call.
"""

import importlib

from . import baselines, core, diagnostics, loops, oscillators

CALLS = {
    **core.CALLS,
    **baselines.CALLS,
    **diagnostics.CALLS,
    **loops.CALLS,
    **oscillators.CALLS,
}
"""Arguments by the name of a function below `nelc_jax`, or of a method."""

OBJECTS = {
    **core.OBJECTS,
    **baselines.OBJECTS,
    **loops.OBJECTS,
    **oscillators.OBJECTS,
}
"""Whose methods are called, by the first part of their names."""


def call(name, **changed):
    """A call of `CALLS` with other arguments; `self`, another object of a method."""
    place, last = name.rsplit(".", 1)
    owner = changed.pop("self", OBJECTS.get(place))
    if owner is None:
        owner = importlib.import_module(f"nelc_jax.{place}")
    return getattr(owner, last)(**{**CALLS[name], **changed})
