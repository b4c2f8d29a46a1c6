"""Latent spaces: one class, one file. A new one may live anywhere else."""

from .base import AbstractLatent, sample_latent
from .binary import Binary
from .gaussian import Gaussian
from .one_hot import OneHot

__all__ = ["AbstractLatent", "Binary", "Gaussian", "OneHot", "sample_latent"]
