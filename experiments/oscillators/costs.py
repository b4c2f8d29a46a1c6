"""What generation costs at several paces: work, heat, entropy production, quality."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators.metrics import entropy
from experiments.oscillators.sampling import draw_samples
from experiments.oscillators.tables import Columns, add_row, columns
from nelc_jax.oscillators import (
    DrivenPath,
    Generation,
    Protocol,
    drive_metered,
    entropy_production,
)


def cost_table(
    generation: Generation,
    protocols: Protocol,
    key: jax.Array,
    paces: tuple[float, ...],
    count: int,
    substeps: int,
    measure: Callable[[np.ndarray], Columns],
) -> Columns:
    """Work, heat, entropy production and quality of generation at several paces.

    The protocols are those of `generation` at the other paces (`Protocol.at_pace`);
    energies are means over samples, in units of kT', the entropy production in nats,
    for at most three dimensions; errors are over members.

    **Arguments:** `measure` samples (members, count, n): columns with one value each.
    """
    noising = generation.noising
    table: dict[str, list] = {}
    for pace, pace_key in zip(paces, jax.random.split(key, len(paces)), strict=True):
        duration = (noising.latest - noising.earliest) / pace
        paced = Generation(noising, generation.bath, duration)
        paths = draw_samples(
            paced,
            _at_paces(protocols, generation, paced),
            pace_key,
            count,
            # The forces grow like 1 + 1 / pace in noising time, and so must the steps.
            int(np.ceil(substeps * (1 + 1 / pace) / 2)),
            drive_metered,
        )
        measured = {"work": paths.work.mean(axis=1), "heat": paths.heat.mean(axis=1)}
        if paths.x.shape[-1] <= 3:
            measured["entropy_production"] = _entropy_productions(paced, paths)
        table.setdefault("pace", []).append(pace)
        table.setdefault("duration", []).append(duration)
        add_row(table, measured | measure(paths.x))
    return columns(table)


@jax.jit
def _at_paces(protocols, old, new):
    return jax.vmap(lambda protocol: protocol.at_pace(old, new))(protocols)


def _entropy_productions(generation: Generation, paths: DrivenPath) -> np.ndarray:
    """One value a member."""
    variance = float(generation.bath.temperature / generation.trap_stiffness)
    start = paths.x.shape[-1] / 2 * np.log(2 * np.pi * np.e * variance)
    bath = generation.bath
    return np.array(
        [
            float(entropy_production(jnp.asarray(heat), bath, start, entropy(end)))
            for heat, end in zip(paths.heat, np.asarray(paths.x), strict=True)
        ]
    )
