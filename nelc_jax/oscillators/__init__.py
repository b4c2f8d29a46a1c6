"""Driven oscillator networks that generate data and learn by local rules.

The physics of arXiv 2506.19136 as derived in docs/oscillators.md. `Noising` blurs data,
and `Generation` says how that is undone; a `QuarticNetwork`, or a `HiddenNetwork` with
fast hidden oscillators besides, learns the `Protocol` that does it (`Learner`, `train`)
by `ForceMatching`, by `HeldContrast` with no derivative taken, or from
`ObservedMotion`; `drive` runs it, `drive_metered` with its work and heat, and `hold`
keeps some oscillators where they are meanwhile. `project` is the limit of what a
network without hidden oscillators can do.

A new family of potentials is a subclass of `AbstractPotential` and of
`AbstractNetwork`, a new learning rule one of `AbstractRule`.
"""

from .bath import Bath, hold, refine
from .contrast import HeldContrast, HeldMeasurement
from .contrastive_divergence import ContrastiveDivergence, Step
from .diffusion import Generation, Noising, NormalMixture
from .driving import DrivenPath, drive, drive_metered
from .elements import AbstractElement, QuarticWell, TwoState
from .flipping import drive_flipping
from .force_matching import ForceMatching
from .hidden import Hidden, HiddenNetwork, HiddenParameters
from .learning import AbstractMeasurement, AbstractRule, Measurement
from .network import AbstractNetwork, all_to_all, box_lattice, lattice
from .observed_motion import ObservedMotion
from .pairs import Pairs, PairsNetwork
from .potential import AbstractLinearPotential, AbstractPotential, Protocol
from .projection import project
from .quartic import Quartic, QuarticNetwork
from .relaxing import drive_relaxing
from .thermodynamics import entropy_production, ideal_entropy_rate, jarzynski
from .training import Learner, State, train
from .virial import Virial, VirialMeasurement

__all__ = [
    "AbstractElement",
    "AbstractLinearPotential",
    "AbstractMeasurement",
    "AbstractNetwork",
    "AbstractPotential",
    "AbstractRule",
    "Bath",
    "ContrastiveDivergence",
    "DrivenPath",
    "ForceMatching",
    "Generation",
    "HeldContrast",
    "HeldMeasurement",
    "Hidden",
    "HiddenNetwork",
    "HiddenParameters",
    "Learner",
    "Measurement",
    "Noising",
    "NormalMixture",
    "ObservedMotion",
    "Pairs",
    "PairsNetwork",
    "Protocol",
    "Quartic",
    "QuarticNetwork",
    "QuarticWell",
    "State",
    "Step",
    "TwoState",
    "Virial",
    "VirialMeasurement",
    "all_to_all",
    "box_lattice",
    "drive",
    "drive_flipping",
    "drive_metered",
    "drive_relaxing",
    "entropy_production",
    "hold",
    "ideal_entropy_rate",
    "jarzynski",
    "lattice",
    "project",
    "refine",
    "train",
]
