"""Irreversibility of the latent chain: currents and entropy production (Sect. IV B)."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._checks import checked

__all__ = [
    "currents",
    "entropy_production_rate",
    "entropy_production_rate_log",
    "fluxes",
    "one_way_pairs",
]


@checked
def fluxes(M: Float[Array, "S S"], p_bar: Float[Array, " S"]) -> Float[Array, "S S"]:
    """p_bar(z') M[z', z], the probability a double step of a jump from z' to z."""
    return p_bar[:, None] * M


@checked
def currents(M: Float[Array, "S S"], p_bar: Float[Array, " S"]) -> Float[Array, "S S"]:
    """J = p_bar M - (p_bar M)^T, net flux from z' to z per double step (eq. 21)."""
    flux = fluxes(M, p_bar)
    return flux - flux.T


@checked
def entropy_production_rate(
    M: Float[Array, "S S"],
    p_bar: Float[Array, " S"],
    floor: float | Float[Array, ""] = 0.0,
) -> Float[Array, ""]:
    """sigma in nats per double step (eq. 21).

    sigma = sum_{z' < z} (F[z', z] - F[z, z']) ln(F[z', z] / F[z, z']) with the fluxes
    F = p_bar M. A pair never seen in either direction adds nothing. A pair seen in one
    direction only makes sigma infinite, which is the answer for a known M; for an M
    counted over T steps give `floor=1/T`, and the unseen direction counts as one event,
    a lower bound of what longer chains would find.

    **Arguments:** `M[z', z]`, z' from; `p_bar`; `floor`, the least flux of a direction
    whose reverse is seen.
    """
    return _entropy_production(jnp.log(fluxes(M, p_bar)), jnp.log(floor))


@checked
def entropy_production_rate_log(
    log_M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> Float[Array, ""]:
    """sigma in nats per double step (eq. 21) from ln M, where M may underflow.

    **Arguments:** `log_M[z', z]`, from `average_log_transitions`; `p_bar`.
    """
    # A dead state has all its fluxes below the smallest number: none of them counts.
    log_p_bar = jnp.log(jnp.maximum(p_bar, jnp.finfo(p_bar.dtype).tiny))
    return _entropy_production(log_p_bar[:, None] + log_M, -jnp.inf)


def _entropy_production(log_flux: Float[Array, "S S"], log_floor) -> Float[Array, ""]:
    """Half the sum over both orders of each pair of (F - F^T) (ln F - ln F^T)."""
    # Not "seen": that would take nan for a pair that never was.
    unseen = (log_flux == -jnp.inf) & (-jnp.inf == log_flux.T)
    floored = jnp.where(unseen, 0, jnp.maximum(log_flux, log_floor))
    flux = jnp.exp(floored)
    net = flux - flux.T
    terms = jnp.where(net == 0, 0, net * (floored - floored.T))
    return 0.5 * jnp.sum(terms)


@checked
def one_way_pairs(M: Float[Array, "S S"], p_bar: Float[Array, " S"]) -> Int[Array, ""]:
    """How many pairs z' < z carry flux in one direction only."""
    flux = fluxes(M, p_bar) > 0
    return jnp.sum(flux & ~flux.T)
