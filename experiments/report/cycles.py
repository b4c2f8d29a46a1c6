"""The dominant latent cycles of the best models, a section of the report."""

from dataclasses import dataclass

import jax.numpy as jnp

from experiments.command.compilation import Effort, Program
from experiments.figures import by_likelihood, enumerated
from experiments.runs.directory import Run
from nelc_jax.diagnostics import cycle_states, fundamental_cycles

SHOWN, MAX_STATES = 12, 24
"""Models in the table, and states of a cycle that are written out."""

# Compiled: one by one, its operations take four times as long to build.
_cycles = Program(fundamental_cycles)
FEW_STATES = 64
"""The cycles of no more take less time than XLA's optimisation."""


@dataclass(frozen=True)
class DominantCycle:
    """The cycle of one model that contributes most to its sigma.

    `path`: the states in the order of the current, with their classes; `current` per
    double step, `affinity` in nats, `contribution` and `sigma` in nats per double step.
    """

    model: int
    path: str
    current: float
    affinity: float
    contribution: float
    sigma: float


def dominant_cycles(run: Run) -> list[DominantCycle]:
    """Those of the `SHOWN` best models, best first; none for a single latent state."""
    if not enumerated(run) or run.arrays["latent_kernel"].shape[-1] < 2:
        return []
    return [_dominant_cycle(run, row) for row in by_likelihood(run)[:SHOWN]]


def _dominant_cycle(run: Run, row: int) -> DominantCycle:
    small = run.arrays["occupancy"].shape[-1] <= FEW_STATES
    cycles = _cycles(
        jnp.asarray(run.arrays["log_latent_kernel"][row]),
        jnp.asarray(run.arrays["occupancy"][row]),
        effort=Effort.LEAST if small else Effort.ALL,
    )
    states = cycle_states(cycles, 0)
    labels = [str(z) for z in states]
    names = run.config.get("class_names")
    if "classes" in run.arrays and names is not None:
        classes = run.arrays["classes"][row]
        labels = [f"{z} ({names[classes[z]]})" for z in states]
    path = " → ".join([*labels[:MAX_STATES], str(states[0])]) if states else "none"
    if len(states) > MAX_STATES:
        hidden = len(states) - MAX_STATES
        path = f"{' → '.join(labels[:MAX_STATES])} → … ({hidden} more) → {states[0]}"
    return DominantCycle(
        int(run.models["model"][row]),
        path,
        float(cycles.current[0]),
        float(cycles.affinity[0]),
        float(cycles.contribution[0]),
        float(run.models["entropy_production_rate"][row]),
    )
