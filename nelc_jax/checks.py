"""Counts known at compilation, and numbers where they are known: not while traced."""

from collections.abc import Callable
from typing import Any

import jax
import jax.core
import numpy as np


def check_points(name: str, x: Any) -> None:
    """Check that there are data points, of which an average can be taken.

    **Raises:** `ValueError` for an empty axis.
    """
    if 0 in x.shape:
        what = "one data point" if x.shape[0] == 0 else "one coordinate of each point"
        raise ValueError(f"{name}.shape={tuple(x.shape)}: expected at least {what}")


def check_count(name: str, value: int, least: int, what: str) -> None:
    """Check a number of things that is known at compilation.

    **Raises:** `ValueError` for one below `least`.
    """
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
    """Check that data points are zeros and ones, where they are known.

    **Raises:** `ValueError` with the first number that is not.
    """
    if x.dtype != bool:
        expected = "0 or 1; gray levels need a threshold first"
        check_values(name, x, lambda v: (v == 0) | (v == 1), expected)


def check_means(name: str, x_mean: Any) -> None:
    """Check that means of zeros and ones are in [0, 1] up to rounding, where known.

    **Raises:** `ValueError` with the first that is not.
    """
    check_values(name, x_mean, lambda v: (v > -0.01) & (v < 1.01), "a mean in [0, 1]")


def check_rate(name: str, rate: Any) -> None:
    """Check a learning rate, or one a member, where it is known.

    **Raises:** `ValueError` for one that is negative or not finite.
    """
    expected = "a finite learning rate, not negative"
    check_values(name, rate, lambda v: np.isfinite(v) & (v >= 0), expected)


def check_batches(name: str, sizes: Any) -> None:
    """Check sizes of mini-batches, where they are known.

    **Raises:** `ValueError` for one below 1.
    """
    check_values(name, sizes, lambda v: v >= 1, "at least 1 data point")


def check_times(
    name: str, times: Any, least: int = 1, order: str = "increasing"
) -> None:
    """Check times of which there are `least`, and their order, where they are known.

    **Raises:** `ValueError` for too few, or with the first out of order.
    """
    if times.shape[-1] < least:
        raise ValueError(f"{name}.shape={times.shape}: expected at least {least} times")
    sign = -1 if order == "decreasing" else 1
    check_values(
        name,
        times,
        lambda v: np.diff(sign * v, prepend=-np.inf) > 0,
        f"{order} times",
    )
