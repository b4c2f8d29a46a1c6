"""Driving a network by a protocol, with or without an account of work and heat.

Steps alternate with changes of the potential, and the heat of a step is defined by the
probabilities of the step and of its reverse,

    Q = kT ln p(x' | x) / p(x | x')
      = (F + F') . (x' - x) / 2 + (mu dt / 4) (|F'|^2 - |F|^2)

with the forces of one potential at both ends, as a step takes them (`Bath.push`). As
dt -> 0 that is the integral of F along the path in the sense of Stratonovich, and for
every dt the fluctuation theorems hold exactly: <exp(-(W - dF) / kT)> = 1 for
W = V(end) - V(start) + Q from equilibrium.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_times, checked
from .._loops import scan
from .bath import Bath
from .potential import Protocol

__all__ = ["DrivenPath", "drive", "drive_metered"]


class DrivenPath(eqx.Module):
    """Where a driven path ends, the `work` done on it and the `heat` given to the bath.

    `work` = V(end) - V(start) + `heat`, energies.
    """

    x: Float[Array, " n"]
    work: Float[Array, ""]
    heat: Float[Array, ""]


@checked
def drive(
    protocol: Protocol,
    bath: Bath,
    key: Key[Array, ""],
    x: Float[Array, " n"],
    times: Float[Array, " T"],
) -> Float[Array, " n"]:
    """Where the network ends that a protocol drives, by steps between `times`.

    `vmap` it over `key` and `x`: the protocol is then read once a step for all samples.

    **Arguments:** `protocol`; `bath`; typed `key`; start `x`; `times`, increasing.

    **Raises:** `ValueError` for known `times` that do not increase.
    """
    check_times("times", times)

    def body(x, inputs):
        start, end, step = inputs
        force = protocol.at((start + end) / 2).force(x)
        return bath.step(_normal(key, step, x), x, force, end - start), None

    return scan(body, x, steps(times))[0]


@checked
def drive_metered(
    protocol: Protocol,
    bath: Bath,
    key: Key[Array, ""],
    x: Float[Array, " n"],
    times: Float[Array, " T"],
) -> DrivenPath:
    """`drive` with the same random numbers, and its work and heat.

    `work` counts from the potential at the first to that at the last of the `times`.

    **Arguments:** as `drive`.

    **Raises:** as `drive`.
    """
    check_times("times", times)

    def body(carry, inputs):
        x, heat = carry
        start, end, step = inputs
        duration = end - start
        potential = protocol.at((start + end) / 2)
        before = bath.push(potential.force(x), duration)
        moved = bath.step(_normal(key, step, x), x, before, duration)
        after = bath.push(potential.force(moved), duration)
        excess = bath.mobility * (jnp.square(after) - jnp.square(before))
        heat += jnp.sum((before + after) / 2 * (moved - x))
        heat += duration / 4 * jnp.sum(excess)
        return (moved, heat), None

    carry = x, jnp.zeros((), x.dtype)
    (end, heat), _ = scan(body, carry, steps(times))
    gained = protocol.at(times[-1]).energy(end) - protocol.at(times[0]).energy(x)
    return DrivenPath(end, gained + heat, heat)


def steps(times: Array) -> tuple[Array, Array, Array]:
    """Start, end and number of every step."""
    return times[:-1], times[1:], jnp.arange(times.shape[0] - 1)


def _normal(key: Array, step: Array, x: Array) -> Array:
    return jax.random.normal(jax.random.fold_in(key, step), x.shape, x.dtype)
