"""How far from equilibrium a trained model works (Sect. IV B)."""

from .classes import class_distribution, class_kl, latent_classes
from .spectrum import (
    mean_self_transition,
    relaxation_time,
    second_eigenvalue_modulus,
)
from .summary import Summary, summarize
from .thermodynamics import (
    currents,
    entropy_production_rate,
    entropy_production_rate_log,
    fluxes,
    one_way_pairs,
)
from .transitions import (
    Counts,
    average_log_transitions,
    average_transitions,
    count_transitions,
    kernel_from_counts,
)

__all__ = [
    "Counts",
    "Summary",
    "average_log_transitions",
    "average_transitions",
    "class_distribution",
    "class_kl",
    "count_transitions",
    "currents",
    "entropy_production_rate",
    "entropy_production_rate_log",
    "fluxes",
    "kernel_from_counts",
    "latent_classes",
    "mean_self_transition",
    "one_way_pairs",
    "relaxation_time",
    "second_eigenvalue_modulus",
    "summarize",
]
