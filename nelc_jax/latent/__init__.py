"""Latent spaces: one class, one file. A new one may live anywhere else."""

from .base import AbstractLatent, Score, sample_latent
from .binary import Binary
from .one_hot import OneHot

__all__ = ["AbstractLatent", "Binary", "OneHot", "Score", "sample_latent"]
