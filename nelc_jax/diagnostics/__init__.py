"""How far from equilibrium a trained model works (Sect. IV B)."""

from ._averages import average_log_transitions
from .autocorrelation import (
    autocorrelation,
    autocorrelation_time,
    effective_sample_size,
)
from .classes import class_distribution, class_kl, latent_classes
from .cycles import FundamentalCycles, cycle_states, fundamental_cycles
from .force_times_flux import force_times_flux
from .mixing import integrated_time, reversible_part, visible_time
from .spectrum import (
    mean_self_transition,
    relaxation_time,
    second_eigenvalue_modulus,
)
from .summary import Summary, summarize, summarize_batches
from .thermodynamics import (
    currents,
    entropy_production_rate,
    entropy_production_rate_log,
    fluxes,
    log_fluxes,
    one_way_pairs,
)
from .transitions import Counts, count_transitions, kernel_from_counts
from .uncertainty import jackknife_bias, jackknife_error
from .whole_chain import whole_chain_entropy_production

__all__ = [
    "Counts",
    "FundamentalCycles",
    "Summary",
    "autocorrelation",
    "autocorrelation_time",
    "average_log_transitions",
    "class_distribution",
    "class_kl",
    "count_transitions",
    "currents",
    "cycle_states",
    "effective_sample_size",
    "entropy_production_rate",
    "entropy_production_rate_log",
    "fluxes",
    "force_times_flux",
    "fundamental_cycles",
    "integrated_time",
    "jackknife_bias",
    "jackknife_error",
    "kernel_from_counts",
    "latent_classes",
    "log_fluxes",
    "mean_self_transition",
    "one_way_pairs",
    "relaxation_time",
    "reversible_part",
    "second_eigenvalue_modulus",
    "summarize",
    "summarize_batches",
    "visible_time",
    "whole_chain_entropy_production",
]
