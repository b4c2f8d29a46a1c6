"""What equilibrium does on the same data: the RBM, and the ceiling of any mixture."""

from . import ais, mixture, pcd, rbm
from .mixture import Mixture
from .rbm import Rbm

__all__ = ["Mixture", "Rbm", "ais", "mixture", "pcd", "rbm"]
