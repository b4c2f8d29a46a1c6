"""The network: its potential, its forces, who is coupled to whom, and its protocol.

    V(x) = sum_i [b_i x_i + k_i x_i^2 / 2 + q_i x_i^4 / 4] + sum_{i<j} J_ij x_i x_j

Positions are lengths, V an energy: b is a force, k and J are forces per length, q a
force per length cubed.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..linear import contract


class Potential(eqx.Module):
    """The parameters of V, with any leading axes; of J only what is above the diagonal.

    `b`, forces; `k`, stiffnesses; `q`, quartic constants, not negative for a potential
    that confines; `J`, couplings.
    """

    b: Float[Array, "*t n"]
    k: Float[Array, "*t n"]
    q: Float[Array, "*t n"]
    J: Float[Array, "*t n n"]


class Protocol(eqx.Module):
    """A driving protocol: the potentials at the `times`, linear in time between them.

    `times`, increasing; `potential`, with a leading axis over them.
    """

    times: Float[Array, " K"]
    potential: Potential


def energy(potential: Potential, x: Float[Array, " n"]) -> Float[Array, ""]:
    """V(x), an energy.

    **Arguments:** `potential` without leading axes; positions `x`.
    """
    on_site = (
        potential.b * x
        + potential.k * jnp.square(x) / 2
        + potential.q * jnp.square(jnp.square(x)) / 4
    )
    return jnp.sum(on_site) + contract(x, contract(jnp.triu(potential.J, 1), x))


def force(potential: Potential, x: Float[Array, " n"]) -> Float[Array, " n"]:
    """F = -grad V: F_i = -(b_i + k_i x_i + q_i x_i^3 + sum_{j != i} J_ij x_j).

    **Arguments:** `potential` without leading axes; positions `x`.
    """
    above = jnp.triu(potential.J, 1)
    on_site = potential.b + potential.k * x + potential.q * x * jnp.square(x)
    return -(on_site + contract(above + above.T, x))


def harmonic_trap(num: int, stiffness: Float[Array, ""] | float) -> Potential:
    """The pure trap V = stiffness |x|^2 / 2 of `num` uncoupled oscillators."""
    zero = jnp.zeros(num)
    return Potential(zero, zero + stiffness, zero, jnp.zeros((num, num)))


def at_time(protocol: Protocol, time: Float[Array, ""]) -> Potential:
    """The potential at a protocol time, that of the nearer end outside of the range."""
    times = protocol.times
    last = times.shape[0] - 2
    cell = jnp.clip(jnp.searchsorted(times, time, side="right") - 1, 0, last)
    share = (time - times[cell]) / (times[cell + 1] - times[cell])
    share = jnp.clip(share, 0, 1)

    def between(knots: Array) -> Array:
        return (1 - share) * knots[cell] + share * knots[cell + 1]

    return jax.tree.map(between, protocol.potential)


def all_to_all(num: int) -> Bool[np.ndarray, "n n"]:
    """The pairs i < j of a network in which every two oscillators are coupled."""
    return np.triu(np.ones((num, num), bool), 1)


def lattice(rows: int, columns: int, radius: float) -> Bool[np.ndarray, "n n"]:
    """The pairs i < j of a square lattice at a distance of at most `radius` sites.

    Oscillators are numbered row by row; the lattice ends at its edges.
    """
    sites = np.indices((rows, columns)).reshape(2, -1).T
    squared = np.sum((sites[:, None] - sites[None]) ** 2, axis=-1)
    return np.triu(squared <= radius**2, 1)
