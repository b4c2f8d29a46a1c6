"""How far from equilibrium a trained model works (Sect. IV B)."""

from .autocorrelation import (
    autocorrelation,
    autocorrelation_time,
    effective_sample_size,
)
from .averages import (
    average_log_transitions,
    average_transitions,
    combine_batches,
    log_transition_batches,
)
from .classes import class_distribution, class_kl, latent_classes
from .cycles import FundamentalCycles, cycle_states, fundamental_cycles
from .mixing import integrated_time, reversible_part
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
from .uncertainty import jackknife_bias, jackknife_error, leave_one_out
from .whole_chain import whole_chain_entropy_production

__all__ = [
    "Counts",
    "FundamentalCycles",
    "Summary",
    "autocorrelation",
    "autocorrelation_time",
    "average_log_transitions",
    "average_transitions",
    "class_distribution",
    "class_kl",
    "combine_batches",
    "count_transitions",
    "currents",
    "cycle_states",
    "effective_sample_size",
    "entropy_production_rate",
    "entropy_production_rate_log",
    "fluxes",
    "fundamental_cycles",
    "integrated_time",
    "jackknife_bias",
    "jackknife_error",
    "kernel_from_counts",
    "latent_classes",
    "leave_one_out",
    "log_fluxes",
    "log_transition_batches",
    "mean_self_transition",
    "one_way_pairs",
    "relaxation_time",
    "reversible_part",
    "second_eigenvalue_modulus",
    "summarize",
    "summarize_batches",
    "whole_chain_entropy_production",
]
