"""Nonequilibrium latent cycles in JAX: pure functions over ensembles of models.

The modules follow the paper (arXiv 2512.11415): `latent` and `model` (Sect. II),
`chain`, `parallel`, `gradient` and `training` (Sect. III, IV A), `likelihood`
(App. A3), `exact` (enumeration of small systems), `diagnostics` (Sect. IV B) and
`baselines` (RBM, mixture); `ensemble` maps training over independent members and
devices.
"""

from . import (
    baselines,
    chain,
    diagnostics,
    ensemble,
    exact,
    gradient,
    latent,
    likelihood,
    markov,
    model,
    noise,
    parallel,
    training,
)
from .latent import Binary, OneHot
from .model import Model, Parameters
from .training import Config, State

__all__ = [
    "Binary",
    "Config",
    "Model",
    "OneHot",
    "Parameters",
    "State",
    "baselines",
    "chain",
    "diagnostics",
    "ensemble",
    "exact",
    "gradient",
    "latent",
    "likelihood",
    "markov",
    "model",
    "noise",
    "parallel",
    "training",
]
