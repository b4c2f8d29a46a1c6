"""Arguments held against the annotations of public functions, at trace time.

`checked` compares what users pass with what a function is annotated with before it
runs: kinds, dtypes, ranks, and sizes that one name has in several places. Only shapes
and dtypes are looked at, so that compiled programs stay as they are; `checks` looks at
numbers.
"""

import dataclasses
import functools
import inspect
import numbers
import operator
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import jaxtyping

Function = TypeVar("Function", bound=Callable)

_KINDS = {
    jaxtyping.Float: ((jnp.floating,), "floating-point numbers"),
    jaxtyping.Int: ((jnp.integer,), "integers"),
    jaxtyping.Bool: ((jnp.bool_,), "truth values"),
    jaxtyping.UInt8: ((jnp.uint8,), "uint8"),
    jaxtyping.UInt32: ((jnp.uint32,), "uint32"),
    jaxtyping.Shaped: ((jnp.bool_, jnp.integer, jnp.floating), "real numbers"),
    jaxtyping.Key: ((jax.dtypes.prng_key,), "a typed key, from jax.random.key"),
}

_OTHER_AXES = "; jax.vmap maps over other axes"
_OF_LATENT = {"L": "num_units", "S": "num_states", "U": "num_uniforms"}


class Fault(typing.NamedTuple):
    """What is wrong with an argument: the error, the value in words, what is right."""

    error: type[Exception]
    found: str
    expected: str


class Sizes:
    """The sizes that the names in annotations have so far, and where they are from."""

    def __init__(self):
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def bind(self, name: str, size: tuple[int, ...], place: str) -> bool:
        """Whether `name` may have this size: one it has already, or its first."""
        return self._known.setdefault(name, (size, place))[0] == size

    def words(self, names: list[str]) -> str:
        """Where the sizes of those names that have one are from."""
        known = [(name, *self._known[name]) for name in names if name in self._known]
        told = [f"{name}={'x'.join(map(str, s))} ({place})" for name, s, place in known]
        return f" with {', '.join(told)}" if told else ""

    def copy(self) -> "Sizes":
        """To try an annotation with, among several."""
        other = Sizes()
        other._known = dict(self._known)
        return other


def checked(function: Function) -> Function:
    """Make a public function check its arguments against its annotations.

    **Raises:** what is returned raises `TypeError` for an argument of another kind or
    dtype, and `ValueError` for one of another shape or an unknown name; the message
    has the argument, its value and what was expected.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapped(*positional, **named):
        sizes = Sizes()
        # Python's own error for arguments that are missing or too many.
        for name, value in signature.bind(*positional, **named).arguments.items():
            annotation = signature.parameters[name].annotation
            _raise(_fault(name, value, annotation, sizes))
        return function(*positional, **named)

    return typing.cast(Function, wrapped)


def check_settings(module: eqx.Module) -> None:
    """Check the static fields of a module against their annotations, as `checked`.

    **Raises:** `TypeError` and `ValueError` as a checked function.
    """
    for field in dataclasses.fields(module):
        if field.metadata.get("static", False):
            value = getattr(module, field.name)
            _raise(_fault(field.name, value, field.type, Sizes()))


def _raise(fault: Fault | None):
    if fault is not None:
        raise fault.error(f"{fault.found}: expected {fault.expected}")


def _fault(name: str, value: Any, annotation: Any, sizes: Sizes) -> Fault | None:
    """What is wrong with a value, None if nothing; binds the sizes that it shows."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _fault_of_all(name, value, typing.get_args(annotation), sizes)
    if origin is Literal:
        known = typing.get_args(annotation)
        listed = " or ".join(repr(each) for each in known)
        return (
            None if value in known else Fault(ValueError, f"{name}={value!r}", listed)
        )
    if origin is not None and issubclass(origin, Callable):
        return None if callable(value) else _of_type(name, value, "a function")
    if annotation is inspect.Parameter.empty and name == "self":
        return _fields(name, value, sizes)
    if not isinstance(annotation, type) or annotation is Any:
        return None
    if issubclass(annotation, jaxtyping.AbstractArray):
        return _array(name, value, annotation, sizes)
    if annotation is int:
        return _integer(name, value)
    if annotation is float:
        return _real(name, value)
    if not isinstance(value, annotation):
        return _of_type(name, value, f"a {_class_name(annotation)}")
    return _fields(name, value, sizes)


def _fault_of_all(name, value, annotations, sizes: Sizes) -> Fault | None:
    """None if one of several annotations fits, else what all of them expect."""
    faults = []
    for annotation in annotations:
        if annotation is type(None):
            if value is None:
                return None
            continue
        if _fault(name, value, annotation, sizes.copy()) is None:
            return _fault(name, value, annotation, sizes)
        faults.append(_fault(name, value, annotation, sizes.copy()))
    # Of one kind and another shape: that is what is wrong.
    near = [fault for fault in faults if fault.error is ValueError] or faults
    expected = " or ".join(dict.fromkeys(fault.expected for fault in near))
    return Fault(near[0].error, near[0].found, expected)


def _fields(name: str, value: Any, sizes: Sizes) -> Fault | None:
    """The arrays of a module, and the sizes of a latent space."""
    for letter, size in (
        ("L", "num_units"),
        ("S", "num_states"),
        ("U", "num_uniforms"),
    ):
        if hasattr(type(value), size) or hasattr(value, size):
            sizes.bind(letter, (getattr(value, size),), f"{name}.{size}")
    if isinstance(value, eqx.Module):
        for field in dataclasses.fields(value):
            if not field.metadata.get("static", False):
                place = f"{name}.{field.name}"
                fault = _fault(place, getattr(value, field.name), field.type, sizes)
                if fault is not None:
                    return fault
    return None


def _array(name: str, value: Any, annotation: Any, sizes: Sizes) -> Fault | None:
    names = annotation.dim_str.split()
    kinds, words = _KINDS[annotation.dtype]
    shape = f"({', '.join(names)}{',' * (len(names) == 1)})"
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        scalar = numbers.Real if jnp.floating in kinds else numbers.Integral
        plain = isinstance(value, scalar) and annotation.dtype is not jaxtyping.Key
        if plain and all(axis.startswith("*") for axis in names):
            return None
        array = "" if annotation.dtype is jaxtyping.Key else "an array of "
        of_shape = f" of shape {shape}" if names else ""
        return _of_type(name, value, f"{array}{words}{of_shape}")
    if not _is_any(value.dtype, kinds):
        return Fault(TypeError, f"{name}.dtype={value.dtype}", words)
    told = sizes.words([axis.lstrip("*") for axis in names])
    if not _binds(name, tuple(value.shape), names, sizes):
        more = _OTHER_AXES * (len(value.shape) > len(names))
        found = f"{name}.shape={tuple(value.shape)}"
        return Fault(ValueError, found, f"{shape}{told}{more}")
    return None


def _binds(name: str, shape: tuple[int, ...], names: list[str], sizes: Sizes) -> bool:
    """Whether a shape has the named axes, of which one may stand for several."""
    several = [index for index, axis in enumerate(names) if axis.startswith("*")]
    if len(shape) < len(names) - len(several):
        return False
    if several:
        (first,) = several
        last = first + len(shape) - (len(names) - 1)
        group = shape[first:last]
        if not sizes.bind(names[first][1:], group, name):
            return False
        shape = (*shape[:first], *shape[last:])
        names = [*names[:first], *names[first + 1 :]]
    if len(shape) != len(names):
        return False
    for size, axis in zip(shape, names, strict=True):
        if axis.isdigit():
            if size != int(axis):
                return False
        elif axis != "_" and not sizes.bind(axis, (size,), name):
            return False
    return True


def _integer(name: str, value: Any) -> Fault | None:
    try:
        operator.index(value)
    # JAX's error for a traced number is a TypeError too.
    except TypeError:
        return _of_type(name, value, "an integer, known at compilation")
    return None


def _real(name: str, value: Any) -> Fault | None:
    if isinstance(value, numbers.Real):
        return None
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return _of_type(name, value, "a number")
    if not any(
        jnp.issubdtype(value.dtype, kind) for kind in (jnp.floating, jnp.integer)
    ):
        return Fault(TypeError, f"{name}.dtype={value.dtype}", "a real number")
    if value.shape != ():
        found = f"{name}.shape={tuple(value.shape)}"
        return Fault(ValueError, found, f"(){_OTHER_AXES}")
    return None


def _of_type(name: str, value: Any, expected: str) -> Fault:
    """The fault of a value of another type, shown where it is short."""
    if isinstance(value, jax.core.Tracer):
        shown = "traced"
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        return Fault(
            TypeError,
            f"{name} is an array of shape {tuple(value.shape)} and dtype {value.dtype}",
            expected,
        )
    else:
        shown = repr(value)
    if len(shown) > 60 or "\n" in shown:
        shown = f"<{_class_name(type(value))}>"
    return Fault(TypeError, f"{name}={shown}", expected)


def _is_any(dtype: Any, kinds: tuple) -> bool:
    return any(jnp.issubdtype(dtype, kind) for kind in kinds)


def _class_name(cls: type) -> str:
    return f"{cls.__module__.removeprefix('nelc_jax.')}.{cls.__qualname__}"
