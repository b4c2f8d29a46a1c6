"""Values of other classes: their names, and a way out for arrays of other libraries."""

from typing import Any

# SciPy's sparse matrices, and tensors of torch: what tells them, and makes them arrays.
_CALLS = {"toarray": "toarray()", "detach": "detach().cpu().numpy()"}


def refuse_foreign(place: str, value: Any) -> None:
    """Refuse arrays that JAX does not take, though they have a shape and a dtype.

    **Raises:** `TypeError` with the call that makes an array.
    """
    for method, call in _CALLS.items():
        if hasattr(value, method):
            found = class_name(type(value))
            raise TypeError(f"{place}=<{found}>: give {place}.{call}")


def class_name(cls: type) -> str:
    """The name of a class with its module."""
    return f"{cls.__module__.removeprefix('nelc_jax.')}.{cls.__qualname__}"
