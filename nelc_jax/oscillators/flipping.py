"""Driving with hidden oscillators that are simulated, and not their thermal means.

In every step each hidden oscillator forgets its state with some probability and takes
one from its equilibrium in the field of that moment; the force on the visible ones is
that of the states. With probability 1 the state is a fresh one in every step; the lower
it is, the less the hidden oscillators are faster than the visible ones. For a potential
that stands still the equilibrium of both together, exp(-V(x, h) / kT), is kept for
every probability as the step goes to zero, if both are as hot.
"""

from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_times, check_values, checked
from .._loops import scan
from .bath import Bath
from .driving import steps
from .hidden import Hidden
from .potential import Protocol

__all__ = ["drive_flipping"]


@checked
def drive_flipping(
    protocol: Protocol,
    bath: Bath,
    key: Key[Array, ""],
    x: Float[Array, " n"],
    times: Float[Array, " T"],
    probability: Float[Array, ""] | float = 1.0,
) -> Float[Array, " n"]:
    """Where the visible oscillators end that a protocol drives, as `drive`.

    **Arguments:** `protocol`, of `Hidden` potentials; `bath`; typed `key`; start `x`;
    `times`, increasing; `probability` a step of a new state of each hidden oscillator.

    **Raises:** `ValueError` for known `times` that do not increase, or a probability
    outside [0, 1]; `TypeError` for a protocol without hidden oscillators.
    """
    check_times("times", times)
    expected = "a probability"
    check_values("probability", probability, lambda v: (v >= 0) & (v <= 1), expected)
    if not isinstance(protocol.potential, Hidden):
        raise TypeError(
            f"protocol.potential=<{type(protocol.potential).__name__}>: expected "
            "Hidden potentials; drive takes all others"
        )

    def at(time: Array) -> Hidden:
        return cast(Hidden, protocol.at(time))

    def draw(potential: Hidden, key: Array, x: Array) -> Array:
        u = potential.field(x) / potential.temperature
        return potential.element.draw(key, u)

    def body(carry, inputs):
        x, h = carry
        start, end, step = inputs
        potential = at((start + end) / 2)
        own = jax.random.fold_in(key, step)
        noise_key, state_key, which_key = jax.random.split(own, 3)
        forgets = jax.random.uniform(which_key, h.shape, x.dtype) < probability
        h = jnp.where(forgets, draw(potential, state_key, x), h)
        normal = jax.random.normal(noise_key, x.shape, x.dtype)
        x = bath.step(normal, x, potential.force_given(x, h), end - start)
        return (x, h), None

    # No step has this number.
    first_key = jax.random.fold_in(key, jnp.uint32(0xFFFFFFFF))
    start = x, draw(at(times[0]), first_key, x)
    return scan(body, start, steps(times))[0][0]
