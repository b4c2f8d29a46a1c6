"""The dominant cycle of a chain, and the states in its order."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..diagnostics import (
    cycle_states,
    entropy_production_rate_log,
    fluxes,
    fundamental_cycles,
)

ROUNDING = 64
"""Units of rounding of the largest flux, below which a current is none."""


@dataclass(frozen=True)
class Measured:
    """A chain with its dominant cycle, if it has one, on the host."""

    p_bar: np.ndarray
    flux: np.ndarray
    sigma: float
    cycle: list[int]
    affinity: float
    share: float

    def order(self, num_states: int | None = None) -> list[int]:
        """States, those of the cycle in its order: see `cycle_order`."""
        order, forward = list(self.cycle), np.maximum(self.flux - self.flux.T, 0)
        for state in np.argsort(-self.p_bar, kind="stable")[:num_states].tolist():
            if state in order:
                continue
            after = [*order[1:], *order[:1]]
            gain = forward[order, state] + forward[state, after]
            # Behind all others where it has no part in any current.
            place = 1 + int(np.argmax(gain)) if gain.any() else len(order)
            order.insert(place, state)
        return order


# Compiled: one by one, its operations take four times as long to build.
_cycles = jax.jit(fundamental_cycles)


@jax.jit
def _sigma_and_flux(log_M: Float[Array, "S S"], p_bar: Float[Array, " S"]):
    return entropy_production_rate_log(log_M, p_bar), fluxes(jnp.exp(log_M), p_bar)


def measure(log_M: Any, p_bar: Any) -> Measured:
    """The fluxes of a chain, sigma, and the cycle with the largest part in it.

    **Raises:** `ValueError` for nan.
    """
    for name, values in (("log_M", log_M), ("p_bar", p_bar)):
        if np.isnan(values).any():
            raise ValueError(f"{name} has nan: expected numbers")
    log_M, p_bar = jnp.asarray(log_M), jnp.asarray(p_bar)
    sigma, flux = map(np.asarray, _sigma_and_flux(log_M, p_bar))
    # Doubles from here on: drawing is not what costs time.
    law, doubled = np.asarray(p_bar, float), flux.astype(float)
    none = Measured(law, doubled, float(sigma), [], 0.0, 0.0)
    rounding = ROUNDING * jnp.finfo(flux.dtype).eps * flux.max()
    # One or two states have no cycle, and it may cost time to look for one.
    if len(p_bar) < 3 or np.max(flux - flux.T) <= rounding:
        return none
    known = np.asarray(log_M) > -np.inf
    # A jump without a reverse is an edge as well: of a cycle that is never run back.
    least = np.where(known | known.T, np.log(jnp.finfo(flux.dtype).tiny), -np.inf)
    cycles = _cycles(jnp.maximum(log_M, least.astype(flux.dtype)), p_bar)
    if cycles.current[0] <= rounding:
        return none
    states = cycle_states(jax.tree.map(np.asarray, cycles), 0)
    two_way = (known & known.T)[states, [*states[1:], states[0]]].all()
    return replace(
        none,
        cycle=states,
        affinity=float(cycles.affinity[0]) if two_way else np.inf,
        share=float(cycles.contribution[0] / sigma) if sigma < np.inf else np.nan,
    )
