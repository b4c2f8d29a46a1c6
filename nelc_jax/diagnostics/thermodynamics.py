"""Irreversibility of the latent chain: currents and entropy production (Sect. IV B)."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._checks import checked
from .._derivatives import log_or_none

__all__ = [
    "currents",
    "entropy_production_rate",
    "entropy_production_rate_log",
    "fluxes",
    "log_fluxes",
    "one_way_pairs",
]


@checked
def fluxes(M: Float[Array, "S S"], p_bar: Float[Array, " S"]) -> Float[Array, "S S"]:
    """p_bar(z') M[z', z], the probability a double step of a jump from z' to z.

    Zero into a state of probability zero as well as out of it: p_bar M = p_bar leaves
    nothing to enter it, and what M has there is what p_bar was rounded by.
    """
    return jnp.where(_dead_ends(p_bar), 0, p_bar[:, None] * M)


@checked
def log_fluxes(
    log_M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> Float[Array, "S S"]:
    """ln of the `fluxes` from ln M, where M may underflow; `-inf` for none."""
    log_flux = log_or_none(p_bar)[:, None] + log_M
    return jnp.where(_dead_ends(p_bar), -jnp.inf, log_flux)


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

    sigma = sum_{z' < z} (F[z', z] - F[z, z']) ln(F[z', z] / F[z, z']) with the `fluxes`
    F. A pair never seen in either direction adds nothing, nor to a derivative. A pair
    seen in one direction only makes sigma infinite, which is the answer for a known M;
    for an M counted over T steps give `floor=1/T`, and the unseen direction counts as
    one event, a lower bound of what longer chains would find.

    **Arguments:** `M[z', z]`, z' from; `p_bar`; `floor`, the least flux of a direction
    whose reverse is seen.
    """
    log_flux = log_or_none(fluxes(M, p_bar))
    return _entropy_production(log_flux, jnp.log(floor))


@checked
def entropy_production_rate_log(
    log_M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> Float[Array, ""]:
    """sigma in nats per double step (eq. 21) from ln M, where M may underflow.

    **Arguments:** `log_M[z', z]`, from `average_log_transitions`; `p_bar`.
    """
    return _entropy_production(log_fluxes(log_M, p_bar), -jnp.inf)


@checked
def one_way_pairs(M: Float[Array, "S S"], p_bar: Float[Array, " S"]) -> Int[Array, ""]:
    """How many pairs z' < z carry flux in one direction only; -1 where one is nan."""
    flux = fluxes(M, p_bar)
    flows = flux > 0
    undefined = jnp.any(jnp.isnan(flux))
    return jnp.where(undefined, -1, jnp.sum(flows & ~flows.T))


def _entropy_production(log_flux: Float[Array, "S S"], log_floor) -> Float[Array, ""]:
    """Half the sum over both orders of each pair of (F - F^T) (ln F - ln F^T)."""
    # Not "seen": that would take nan for a pair that never was.
    unseen = (log_flux == -jnp.inf) & (-jnp.inf == log_flux.T)
    log_floor = jnp.asarray(log_floor, log_flux.dtype)
    floored = jnp.where(unseen, 0, jnp.maximum(log_flux, log_floor))
    flux = jnp.exp(floored)
    net = flux - flux.T
    terms = jnp.where(net == 0, 0, net * (floored - floored.T))
    return 0.5 * jnp.sum(terms)


def _dead_ends(p_bar: Float[Array, " S"]) -> Bool[Array, "S S"]:
    """The pairs of which a state has no probability."""
    dead = p_bar == 0
    return dead[:, None] | dead[None]
