"""Numbers of a report: quantiles, and how a value is written."""

import math

import numpy as np

MAX_PLACES = 6
"""Places behind the point up to which a value is written without a power of ten."""


def quantiles(values: np.ndarray) -> list[float]:
    """Minimum, quartiles and maximum of the defined values; all nan without any.

    With infinite values they are not interpolated between neighbours.
    """
    defined = np.sort(values[~np.isnan(values)].astype(float))
    if not defined.size:
        return [np.nan] * 5
    method = "linear" if np.isfinite(defined).all() else "nearest"
    return np.quantile(defined, (0, 0.25, 0.5, 0.75, 1), method=method).tolist()


def plain(value: float, name: str) -> str:
    """A value of the column `name` with an ASCII minus, as a program would read it."""
    if isinstance(value, int | np.integer):
        return str(value)
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    if name.startswith("log_likelihood"):
        return f"{value:.2f}"
    # Zeros at the end are kept, and then a point after three digits as well.
    return f"{value:#.3g}".rstrip(".")


def typeset(value: float, name: str) -> str:
    """The same with a true minus sign."""
    return plain(value, name).replace("-", "−")


def sortable(value: float) -> str:
    """A value as JavaScript reads numbers."""
    return "NaN" if np.isnan(value) else f"{value}".replace("inf", "Infinity")


def rounded(value: float, error: float) -> tuple[str, str]:
    """A value to the last digit that its standard error leaves, and the error to one.

    The error is empty where it is not known, or zero; the value then has four digits.
    """
    if np.isnan(value):
        return "–", ""
    if np.isinf(value):
        return ("∞" if value > 0 else "−∞"), ""
    if not 0 < error < np.inf:
        return _number(value), ""
    one_digit = float(f"{error:.1g}")
    places = -math.floor(math.log10(one_digit))
    if places > MAX_PLACES:
        return _number(value), _number(one_digit)
    text = f"{round(value, places):.{max(places, 0)}f}"
    return text.replace("-", "−"), f"{one_digit:.{max(places, 0)}f}"


def with_error(value: float | str, error: float) -> str:
    """A value ± its standard error (`rounded`); words and counts as they are."""
    if isinstance(value, str | int | np.integer):
        return str(value)
    return " ± ".join(filter(None, rounded(value, error)))


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
