"""Nonequilibrium latent cycles in JAX: pure functions over ensembles of models.

What training and measuring need is here by name: the model and its latent spaces, rules
that learn and estimators of their gradient, the chain, `summarize`, `save` and `load`.
Behind it, module by module: `likelihood` (App. A3 of arXiv 2512.11415), `exact`
(enumeration of small systems), `diagnostics` (Sect. IV B), `markov` (finite chains),
`perfect` (coupling from the past), `ensemble` (independent members on all devices),
`estimators` and `rules`, `baselines` (the RBM and the mixture), `loops` (more than one
hidden layer), and `oscillators`, the second paper (arXiv 2506.19136). `nelc_jax.plot`,
which needs matplotlib, is imported by its name.
"""

from importlib.metadata import version

from . import (
    baselines,
    diagnostics,
    ensemble,
    estimators,
    exact,
    likelihood,
    loops,
    markov,
    oscillators,
    perfect,
    rules,
)
from ._native.compiler import native_path
from .chain import Trajectory, fold_chain, sample_chain
from .diagnostics import Summary, summarize
from .estimators import AveragedGradient, TrajectoryGradient
from .files import load, save
from .latent import AbstractLatent, Binary, Gaussian, OneHot
from .model import Model, Parameters, init_model
from .optima import split_merge
from .rules import Cycles, Pcd
from .training import State, StepInfo, rmsprop, set_learning_rate, train

__version__ = version("nelc_jax")

__all__ = [
    "AbstractLatent",
    "AveragedGradient",
    "Binary",
    "Cycles",
    "Gaussian",
    "Model",
    "OneHot",
    "Parameters",
    "Pcd",
    "State",
    "StepInfo",
    "Summary",
    "Trajectory",
    "TrajectoryGradient",
    "baselines",
    "diagnostics",
    "ensemble",
    "estimators",
    "exact",
    "fold_chain",
    "init_model",
    "likelihood",
    "load",
    "loops",
    "markov",
    "native_path",
    "oscillators",
    "perfect",
    "rmsprop",
    "rules",
    "sample_chain",
    "save",
    "set_learning_rate",
    "split_merge",
    "summarize",
    "train",
]
