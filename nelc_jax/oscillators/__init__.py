"""Driven oscillator networks that generate data and learn by local rules.

The physics of arXiv 2506.19136 as derived in docs/oscillators.md: `potential` and
`bath` (the network and its motion), `diffusion` (noising, and the force that undoes
it), `network` (what is learned), `learning` (force matching), `observed` (CD1),
`training`, `projection` (the family's limit) and `thermodynamics`.
"""

from . import (
    bath,
    diffusion,
    learning,
    network,
    observed,
    potential,
    projection,
    thermodynamics,
    training,
)
from .bath import Bath
from .diffusion import Generation, Mixture, Noising
from .network import Network, Parameters
from .potential import Potential, Protocol
from .training import Config, State

__all__ = [
    "Bath",
    "Config",
    "Generation",
    "Mixture",
    "Network",
    "Noising",
    "Parameters",
    "Potential",
    "Protocol",
    "State",
    "bath",
    "diffusion",
    "learning",
    "network",
    "observed",
    "potential",
    "projection",
    "thermodynamics",
    "training",
]
