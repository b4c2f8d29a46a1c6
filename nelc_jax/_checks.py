"""What is passed, held against annotations and ranges: errors of one line.

`checked` looks at kinds, dtypes and shapes while a function is called or traced, so
that compiled programs stay as they are; jaxtyping binds the names of axes. The others
look at counts known at compilation, and at numbers where they are known: not traced.
"""

import dataclasses
import functools
import inspect
import operator
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral, Real
from typing import Any, Literal, TypeVar

import equinox as eqx
import jax
import jax.core
import jaxtyping
import numpy as np

from ._foreign import class_name, refuse_foreign

Function = TypeVar("Function", bound=Callable)


class _Numbers(jaxtyping.AbstractDtype):
    """Neither complex numbers nor keys."""

    dtypes = [re.compile("bool|u?int|b?float")]  # noqa: RUF012, as jaxtyping has it


# What an annotation's dtype takes: of arrays, of plain numbers; and its name.
_KINDS = {
    jaxtyping.Float: (jaxtyping.Float, Real, "floating-point numbers"),
    jaxtyping.Int: (jaxtyping.Integer, Integral, "integers"),
    jaxtyping.Bool: (jaxtyping.Bool, Integral, "truth values"),
    jaxtyping.UInt8: (jaxtyping.UInt8, Integral, "uint8"),
    jaxtyping.UInt32: (jaxtyping.UInt32, Integral, "uint32"),
    jaxtyping.Real: (jaxtyping.Real, Real, "a real number"),
    jaxtyping.Shaped: (_Numbers, Real, "real numbers"),
    jaxtyping.Key: (jaxtyping.Key, (), "a typed key, from jax.random.key"),
}
_SCALAR: Any = jaxtyping.Real[Any, ""]
_ANY: Any = jaxtyping.Shaped[Any, "..."]
_OF_LATENT = {
    "num_units": [jaxtyping.Shaped[Any, "L"], _ANY],
    "num_states": [jaxtyping.Shaped[Any, "S"], _ANY],
    "num_uniforms": [jaxtyping.Shaped[Any, "U"], _ANY],
}


def checked(function: Function) -> Function:
    """Make a public function check its arguments against its annotations.

    **Raises:** what is returned raises `TypeError` for an argument of another kind or
    dtype, and `ValueError` for one of another shape or an unknown name; the message
    has the argument, its value and what was expected.
    """
    signature = inspect.signature(function)
    annotations = {name: of.annotation for name, of in signature.parameters.items()}

    @functools.wraps(function)
    def wrapped(*positional, **named):
        # Python's own error for arguments that are missing or too many.
        given = signature.bind(*positional, **named).arguments
        check_kinds((name, value, annotations[name]) for name, value in given.items())
        return function(*positional, **named)

    return typing.cast(Function, wrapped)


def check_settings(module: eqx.Module) -> None:
    """Check the static fields of a module against their annotations, as `checked`."""
    fields = [f for f in dataclasses.fields(module) if f.metadata.get("static", False)]
    check_kinds((f.name, getattr(module, f.name), f.type) for f in fields)


def check_kinds(arguments: Iterable[tuple[str, Any, Any]]) -> None:
    """Hold values against annotations, in which an axis has one size by one name."""
    bound = []
    with jaxtyping.jaxtyped("context"):
        for argument in arguments:
            for place, value, choices in _arrays(*argument):
                # Not in a function: under jaxtyping's import hook each has own names.
                fits = (each for each in choices if isinstance(value, _matcher(each)))
                if (fit := next(fits, None)) is None:
                    raise ValueError(_other_shape(place, value, choices, bound))
                bound.append((place, value.shape, fit.dim_str))


def check_class(name: str, value: Any, kind: type) -> None:
    """Raise the `TypeError` of another class; arrays may have any leading axes."""
    if not isinstance(value, kind):
        found = _found(name, value, False)
        raise TypeError(f"{found}: expected {_one(kind)}")


def _arrays(place: str, value: Any, annotation: Any) -> Iterator[tuple[str, Any, list]]:
    """The arrays in an argument, each with the annotations of which one must fit."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    choices = typing.get_args(annotation) if union else (annotation,)
    if value is None and types.NoneType in choices:
        return
    refuse_foreign(place, value)
    choices = [each for each in choices if each is not types.NoneType]
    choices = [_SCALAR if each is float else each for each in choices]
    expected = [_expected(value, each) for each in choices]
    fitting = [each for each, words in zip(choices, expected, strict=True) if not words]
    if not fitting:
        unknown = any(typing.get_origin(each) is Literal for each in choices)
        found = _found(place, value, any(map(_of_arrays, choices)))
        words = " or ".join(dict.fromkeys(expected))
        raise (ValueError if unknown else TypeError)(f"{found}: expected {words}")
    if all(map(_of_arrays, fitting)):
        # Plain numbers have none.
        if hasattr(value, "shape"):
            yield place, value, fitting
    elif isinstance(fitting[0], type) and fitting[0] is not Any:
        yield from _fields(place, value)


def _fields(place: str, value: Any) -> Iterator[tuple[str, Any, list]]:
    """The arrays in a module, and one for each size that a latent space has."""
    for size, axis in _OF_LATENT.items():
        if hasattr(value, size):
            shape = jax.ShapeDtypeStruct((getattr(value, size),), bool)
            yield f"{place}.{size}", shape, axis
    if isinstance(value, eqx.Module):
        for field in dataclasses.fields(value):
            if not field.metadata.get("static", False):
                inner = getattr(value, field.name)
                yield from _arrays(f"{place}.{field.name}", inner, field.type)


def _expected(value: Any, annotation: Any) -> str:
    """The kind that an annotation wants, in words; none if the value is of it."""
    origin, known = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "" if value in known else " or ".join(map(repr, known))
    if origin is Callable:
        return "" if callable(value) else "a function"
    if not isinstance(annotation, type) or annotation in (Any, inspect.Parameter.empty):
        return ""
    if _of_arrays(annotation):
        if isinstance(value, _matcher(annotation, "...")):
            return ""
        _, plain, words = _kind(annotation)
        axes = annotation.dim_str.split()
        if isinstance(value, _ANY):
            return words
        if isinstance(value, plain) and all(axis.startswith("*") for axis in axes):
            return ""
        words = words if words.startswith("a ") else f"an array of {words}"
        return f"{words} of shape {_tuple(axes)}" if axes else words
    if annotation is int:
        try:
            operator.index(value)
        # JAX's error for a traced number is a TypeError too.
        except TypeError:
            return "an integer, known at compilation"
        return ""
    return "" if isinstance(value, annotation) else _one(annotation)


def _of_arrays(annotation: Any) -> bool:
    base = jaxtyping.AbstractArray
    return isinstance(annotation, type) and issubclass(annotation, base)


def _kind(annotation: Any) -> tuple:
    return _KINDS.get(dtype := annotation.dtype, (dtype, (), dtype.__name__))


@functools.cache
def _matcher(annotation: Any, dims: str | None = None) -> Any:
    """What arrays of any library fit, traced and without values too."""
    return _kind(annotation)[0][Any, annotation.dim_str if dims is None else dims]


def _other_shape(place: str, value: Any, choices: list, bound: list) -> str:
    """The error for a shape that is not expected, with the sizes that names have."""
    sizes = {}
    for first, shape, dims in reversed(bound):
        axes = dims.split()
        for start in (i for i, axis in enumerate(axes) if axis[0] in "*."):
            stop = start + 1 + len(shape) - len(axes)
            several = "x".join(map(str, shape[start:stop]))
            shape = (*shape[:start], several, *shape[stop:])
        for axis, size in zip(axes, shape, strict=True):
            sizes[axis.lstrip("*")] = f"{size} ({first})"
    expected = []
    for dims in (each.dim_str for each in choices):
        names = dict.fromkeys(re.findall(r"[A-Za-z]\w*", dims))
        known = ", ".join(f"{name}={sizes[name]}" for name in names if name in sizes)
        more = "; jax.vmap maps over other axes"
        more *= len(value.shape) > len(dims.split())
        expected.append(_tuple(dims.split()) + " with " * bool(known) + known + more)
    expected = " or ".join(dict.fromkeys(expected))
    return f"{place}.shape={tuple(value.shape)}: expected {expected}"


def _found(place: str, value: Any, of_dtype: bool) -> str:
    """A value of another kind: short, or its class."""
    if isinstance(value, _ANY) and of_dtype:
        return f"{place}.dtype={value.dtype}"
    if isinstance(value, jax.core.Tracer):
        return f"{place}=traced"
    shown = repr(value)
    if isinstance(value, _ANY):
        shown = f"{value.dtype}{list(value.shape)}"
    if len(shown) > 60 or "\n" in shown:
        shown = f"<{class_name(type(value))}>"
    return f"{place}={shown}"


def _one(cls: type) -> str:
    name = class_name(cls)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _tuple(axes: list[str]) -> str:
    return str(tuple(axes)).replace("'", "")


def check_points(name: str, x: Any) -> None:
    """Check that there are data points, of which an average can be taken."""
    if 0 in x.shape:
        what = "one data point" if x.shape[0] == 0 else "one coordinate of each point"
        raise ValueError(f"{name}.shape={tuple(x.shape)}: expected at least {what}")


def check_count(name: str, value: int, least: int, what: str) -> None:
    """Check a number of things that is known at compilation."""
    if value < least:
        raise ValueError(f"{name}={value}: expected at least {least} {what}")


def check_values(
    name: str, value: Any, good: Callable[[np.ndarray], Any], expected: str
) -> None:
    """Check numbers that are known now: neither traced nor on another machine.

    **Arguments:** `good`, which of the numbers are as `expected` (words).

    **Raises:** `ValueError` with the first that is not, and its place.
    """
    if isinstance(value, jax.core.Tracer) or not isinstance(
        value, np.ndarray | np.generic | jax.Array | int | float
    ):
        return
    if isinstance(value, jax.Array) and not value.is_fully_addressable:
        return
    array = np.asarray(value)
    wrong = np.argwhere(~np.asarray(good(array)))
    if len(wrong):
        place = ", ".join(str(index) for index in wrong[0])
        shown = f"{name}[{place}]" if place else name
        found = array[tuple(wrong[0])]
        raise ValueError(f"{shown}={found}: expected {expected}")


def check_bits(name: str, x: Any) -> None:
    """Check that data points are zeros and ones, where they are known."""
    if x.dtype != bool:
        expected = "0 or 1; gray levels need a threshold first"
        check_values(name, x, lambda v: (v == 0) | (v == 1), expected)


def check_means(name: str, x_mean: Any) -> None:
    """Check that means of zeros and ones are in [0, 1] up to rounding, where known."""
    check_values(name, x_mean, lambda v: (v > -0.01) & (v < 1.01), "a mean in [0, 1]")


def check_rate(name: str, rate: Any) -> None:
    """Check a learning rate, or one a member: its kind, and where it is known."""
    check_kinds([(name, rate, jaxtyping.Float[Any, "*M"] | float)])
    expected = "a finite learning rate, not negative"
    check_values(name, rate, lambda v: np.isfinite(v) & (v >= 0), expected)


def check_batches(name: str, sizes: Any) -> None:
    """Check sizes of mini-batches, where they are known."""
    check_values(name, sizes, lambda v: v >= 1, "at least 1 data point")


def check_times(
    name: str, times: Any, least: int = 1, order: str = "increasing"
) -> None:
    """Check that there are `least` times and, where they are known, their order."""
    if times.shape[-1] < least:
        raise ValueError(f"{name}.shape={times.shape}: expected at least {least} times")
    sign = -1 if order == "decreasing" else 1
    check_values(
        name, times, lambda v: np.diff(sign * v, prepend=-np.inf) > 0, f"{order} times"
    )
