"""Rules: how a model learns, one class a file. A new one may live anywhere else."""

from .cycles import Cycles
from .pcd import AbstractNegativePhase, ExactPhase, Pcd, PersistentChain

__all__ = ["AbstractNegativePhase", "Cycles", "ExactPhase", "Pcd", "PersistentChain"]
