"""What equilibrium does on the same data: the RBM, and the ceiling of any mixture."""

from . import ais, mixture, rbm
from .mixture import BernoulliMixture
from .rbm import Rbm

__all__ = ["BernoulliMixture", "Rbm", "ais", "mixture", "rbm"]
