"""Calls of the diagnostics."""

import jax.numpy as jnp

from nelc_jax import OneHot

from .objects import (
    CYCLES,
    LOG_M,
    OF_KEY,
    OF_M,
    OF_X,
    P_BAR,
    SAMPLED,
    M,
    X,
    floats,
    law,
)

CALLS = {
    "diagnostics.autocorrelation.autocorrelation": {"series": floats(9)},
    "diagnostics.autocorrelation.autocorrelation_time": {"series": floats(9)},
    "diagnostics.autocorrelation.effective_sample_size": {"series": floats(9)},
    "diagnostics._averages.average_log_arrivals": {
        **OF_KEY,
        "logits": floats(2, 5),
        "num_samples": 8,
    },
    "diagnostics._averages.average_log_transitions": SAMPLED,
    "diagnostics._averages.log_transition_batches": {**SAMPLED, "num_batches": 2},
    "diagnostics._averages.batch_size": {"latent": OneHot(3)},
    "diagnostics._averages.combine_batches": {"batches": floats(2, 3, 3)},
    "diagnostics.classes.latent_classes": {
        **OF_X,
        "labels": jnp.array([0, 1, 1, 0]),
        "num_classes": 2,
    },
    "diagnostics.classes.class_distribution": {
        "p_bar": P_BAR,
        "classes": jnp.array([0, 1, 1]),
        "num_classes": 2,
    },
    "diagnostics.classes.class_kl": {"data_share": law(2), "model_share": law(2)},
    "diagnostics.thermodynamics.log_fluxes": {"log_M": LOG_M, "p_bar": P_BAR},
    "diagnostics.cycles.fundamental_cycles": {
        "log_M": LOG_M,
        "p_bar": P_BAR,
    },
    "diagnostics.cycles.cycle_states": {"cycles": CYCLES, "number": 0},
    "diagnostics.force_times_flux.force_times_flux": {
        **OF_KEY,
        "x": X[0],
        "num_steps": 6,
    },
    "diagnostics.mixing.reversible_part": OF_M,
    "diagnostics.mixing.integrated_time": {**OF_M, "f": floats(3)},
    "diagnostics.mixing.visible_time": {
        **OF_M,
        "mean": floats(3),
        "variance": floats(3),
        "covariance": floats(3, 3),
    },
    **{
        f"diagnostics.spectrum.{name}": {"M": M}
        for name in (
            "second_eigenvalue_modulus",
            "relaxation_time",
            "mean_self_transition",
        )
    },
    "diagnostics.summary.summarize": {**OF_X, **SAMPLED, "occupancy": P_BAR},
    "diagnostics.summary.summarize_batches": {
        **OF_X,
        **SAMPLED,
        "num_batches": 2,
        "occupancy": P_BAR,
    },
    **{
        f"diagnostics.thermodynamics.{name}": OF_M
        for name in ("fluxes", "currents", "one_way_pairs")
    },
    "diagnostics.thermodynamics.entropy_production_rate": {**OF_M, "floor": 0.1},
    "diagnostics.thermodynamics.entropy_production_rate_log": {
        "log_M": LOG_M,
        "p_bar": P_BAR,
    },
    "diagnostics.transitions.count_transitions": {**OF_KEY, "x": X[0], "num_steps": 6},
    "diagnostics.transitions.kernel_from_counts": {
        "pairs": jnp.ones((3, 3), jnp.int32)
    },
    "diagnostics._averages.leave_one_out": {"batches": floats(2, 3, 3)},
    "diagnostics.uncertainty.jackknife_error": {"replicates": floats(2, 3)},
    "diagnostics.uncertainty.jackknife_bias": {
        "estimate": floats(3),
        "replicates": floats(2, 3),
    },
    "diagnostics.whole_chain.whole_chain_entropy_production": {
        **SAMPLED,
        "occupancy": P_BAR,
    },
}
