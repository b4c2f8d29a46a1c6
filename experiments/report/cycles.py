"""The dominant latent cycles of the best models, a section of the report."""

from html import escape

import jax
import jax.numpy as jnp
import numpy as np

from experiments.figures import by_likelihood
from experiments.runs.directory import Run
from nelc_jax.diagnostics import cycle_states, fundamental_cycles

SHOWN = 12
"""Models in the table."""

# Compiled: one by one, its operations take four times as long to build.
_cycles = jax.jit(fundamental_cycles)


def cycles_section(run: Run) -> str:
    """A table of the cycle that contributes most to sigma, best models first.

    Empty for a single latent state.
    """
    kernels, occupancy = run.arrays["log_latent_kernel"], run.arrays["occupancy"]
    if kernels.shape[-1] < 2:
        return ""
    rows = [_row(run, m, kernels[m], occupancy[m]) for m in by_likelihood(run)[:SHOWN]]
    heads = (
        "model",
        "states in the order of the current",
        "current <span class='unit'>per double step</span>",
        "affinity <span class='unit'>nats</span>",
        "contribution <span class='unit'>nats per double step</span>",
        "<i>σ</i> <span class='unit'>nats per double step</span>",
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    classes = " with their classes" if "classes" in run.arrays else ""
    return f"""<p>Schnakenberg's decomposition: a spanning tree of the largest net
currents leaves fundamental cycles, one a remaining pair of states, and <i>σ</i> is the
sum over them of net current times affinity. Here is the cycle of the largest
contribution in the {len(rows)} models of highest likelihood{classes}.</p>
<div class="scroll" role="region" aria-label="Cycles" tabindex="0">
<table class="numbers">
<thead><tr>{head}</tr></thead>
<tbody>{"".join(rows)}</tbody>
</table>
</div>"""


def _row(run: Run, model: int, log_M: np.ndarray, p_bar: np.ndarray) -> str:
    cycles = _cycles(jnp.asarray(log_M), jnp.asarray(p_bar))
    states = cycle_states(cycles, 0)
    names = run.config.get("class_names")
    if "classes" in run.arrays and names is not None:
        classes = run.arrays["classes"][model]
        labels = [f"{z} ({escape(str(names[classes[z]]))})" for z in states]
    else:
        labels = [str(z) for z in states]
    path = " → ".join([*labels, str(states[0])]) if states else "none"
    sigma = run.models["entropy_production_rate"][model]
    values = (cycles.current[0], cycles.affinity[0], cycles.contribution[0], sigma)
    cells = "".join(f"<td>{float(value):#.3g}</td>" for value in values)
    number = run.models["model"][model]
    return f'<tr><th scope="row">{number}</th><td>{path}</td>{cells}</tr>'
