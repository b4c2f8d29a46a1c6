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

from .._checks import check_count, check_times, check_values, checked
from .._linear import contract


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

    **Raises:** `ValueError` for fewer than two times, or known ones that do not
    increase.
    """

    times: Float[Array, " K"]
    potential: Potential

    def __check_init__(self):
        if isinstance(self.times, np.ndarray | jax.Array):
            check_times("times", self.times, 2)


@checked
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


@checked
def force(potential: Potential, x: Float[Array, " n"]) -> Float[Array, " n"]:
    """F = -grad V: F_i = -(b_i + k_i x_i + q_i x_i^3 + sum_{j != i} J_ij x_j).

    **Arguments:** `potential` without leading axes; positions `x`.
    """
    above = jnp.triu(potential.J, 1)
    on_site = potential.b + potential.k * x + potential.q * x * jnp.square(x)
    return -(on_site + contract(above + above.T, x))


@checked
def harmonic_trap(num: int, stiffness: Float[Array, ""] | float) -> Potential:
    """The pure trap V = stiffness |x|^2 / 2 of `num` uncoupled oscillators.

    **Raises:** `ValueError` for a `num` below 1.
    """
    check_count("num", num, 1, "oscillator")
    zero = jnp.zeros(num)
    return Potential(zero, zero + stiffness, zero, jnp.zeros((num, num)))


@checked
def at_time(protocol: Protocol, time: Float[Array, ""]) -> Potential:
    """The potential at a protocol time, that of the nearer end outside of the range.

    **Raises:** `ValueError` for a protocol whose potentials are not one a time.
    """
    if protocol.potential.b.shape[:-1] != protocol.times.shape:
        raise ValueError(
            f"protocol.potential.b.shape={protocol.potential.b.shape}: expected a "
            f"potential for each of the times of shape {protocol.times.shape}"
        )
    times = protocol.times
    last = times.shape[0] - 2
    cell = jnp.clip(jnp.searchsorted(times, time, side="right") - 1, 0, last)
    share = (time - times[cell]) / (times[cell + 1] - times[cell])
    share = jnp.clip(share, 0, 1)

    def between(knots: Array) -> Array:
        return (1 - share) * knots[cell] + share * knots[cell + 1]

    return jax.tree.map(between, protocol.potential)


@checked
def all_to_all(num: int) -> Bool[np.ndarray, "n n"]:
    """The pairs i < j of a network in which every two oscillators are coupled.

    **Raises:** `ValueError` for a `num` below 1.
    """
    check_count("num", num, 1, "oscillator")
    return np.triu(np.ones((num, num), bool), 1)


@checked
def lattice(rows: int, columns: int, radius: float) -> Bool[np.ndarray, "n n"]:
    """The pairs i < j of a square lattice at a distance of at most `radius` sites.

    Oscillators are numbered row by row; the lattice ends at its edges.

    **Raises:** `ValueError` for no row or column, or a negative radius.
    """
    check_count("rows", rows, 1, "row")
    check_count("columns", columns, 1, "column")
    check_values("radius", radius, lambda v: v >= 0, "a distance, not negative")
    sites = np.indices((rows, columns)).reshape(2, -1).T
    squared = np.sum((sites[:, None] - sites[None]) ** 2, axis=-1)
    return np.triu(squared <= radius**2, 1)
