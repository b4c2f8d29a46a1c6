"""Placeholder until the new checks are merged."""

from .annotations import check_settings, checked
from .checks import (
    check_batches,
    check_bits,
    check_count,
    check_means,
    check_points,
    check_rate,
    check_times,
    check_values,
)

__all__ = [
    "check_batches",
    "check_bits",
    "check_count",
    "check_means",
    "check_points",
    "check_rate",
    "check_settings",
    "check_times",
    "check_values",
    "checked",
]
