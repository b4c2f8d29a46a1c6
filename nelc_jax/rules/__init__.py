"""Rules: how a model learns, one class a file. A new one may live anywhere else."""

from .belief import BeliefNetwork
from .chains import ManyChains
from .cycles import Cycles
from .pcd import AbstractNegativePhase, ExactPhase, Pcd, PersistentChain
from .tempering import TemperedChains

__all__ = [
    "AbstractNegativePhase",
    "BeliefNetwork",
    "Cycles",
    "ExactPhase",
    "ManyChains",
    "Pcd",
    "PersistentChain",
    "TemperedChains",
]
