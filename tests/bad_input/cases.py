"""Cases of bad input: a call with one argument changed, and the error that follows."""

import re
from typing import Any, NamedTuple

import jax
import numpy as np

from .calls import call


class Case(NamedTuple):
    """`value` in place of an argument of a call, and the error with its message."""

    name: str
    argument: str
    value: Any
    error: type[Exception]
    message: str


def several(tree, count=9):
    """As many copies of a tree of arrays and numbers, along a leading axis."""

    def stack(leaf):
        if is_key(leaf):
            return jax.random.wrap_key_data(stack(jax.random.key_data(leaf)))
        return np.stack([np.asarray(leaf)] * count)

    return jax.tree.map(stack, tree)


def is_key(value):
    return is_array(value) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)


def is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def complaint(function, errors, message):
    """What is wrong with how a function fails; None if it is by the right error."""
    try:
        function()
    except Exception as caught:
        line = str(caught)
        if type(caught) not in errors:
            return f"{caught!r}"
        if not re.search(message, line):
            return f"{line!r} is not {message!r}"
        if "\n" in line or "expected" not in line:
            return f"{line!r} is not one line with what was expected"
        return None
    return "no error"


def check(cases):
    """Every case raises its error; all that do not are told at once."""
    wrong = []
    for name, argument, value, error, message in cases:
        found = complaint(lambda: call(name, **{argument: value}), (error,), message)  # noqa: B023
        if found:
            wrong.append(f"{name}, {argument}={str(value)[:80]}: {found}")
    assert not wrong, "\n".join(wrong)
