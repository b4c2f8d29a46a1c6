"""Estimators of the gradient of ln p(x): one class, one file.

A new one is a subclass of `AbstractEstimator`, here or anywhere else.
"""

from .averaged import AveragedGradient, Draws
from .base import AbstractEstimator, DataSums, Gradient, Support
from .trajectory import TrajectoryGradient

__all__ = [
    "AbstractEstimator",
    "AveragedGradient",
    "DataSums",
    "Draws",
    "Gradient",
    "Support",
    "TrajectoryGradient",
]
