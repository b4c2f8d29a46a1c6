"""Irreversibility of the latent chain: currents and entropy production (Sect. IV B)."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def fluxes(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> Float[Array, "S S"]:
    """p_bar(z') M[z', z], the probability a double step of a jump from z' to z."""
    return p_bar[:, None] * M


def currents(
    M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> Float[Array, "S S"]:
    """J = p_bar M - (p_bar M)^T, net flux from z' to z per double step (eq. 21)."""
    flux = fluxes(M, p_bar)
    return flux - flux.T


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
    flux = fluxes(M, p_bar)
    seen = (flux > 0) | (flux.T > 0)
    floored = jnp.where(seen, jnp.maximum(flux, floor), 1)
    ratio = jnp.where(floored > 0, jnp.log(jnp.where(floored > 0, floored, 1)), -jnp.inf)
    # Half the sum over both orders of each pair; equal fluxes, infinite or not, add 0.
    net = floored - floored.T
    terms = jnp.where(net == 0, 0, net * (ratio - ratio.T))
    return 0.5 * jnp.sum(terms)


def one_way_pairs(M: Float[Array, "S S"], p_bar: Float[Array, " S"]) -> Int[Array, ""]:
    """How many pairs z' < z carry flux in one direction only."""
    flux = fluxes(M, p_bar) > 0
    return jnp.sum(flux & ~flux.T)
