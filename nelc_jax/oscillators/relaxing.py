"""Driving with hidden oscillators that move in their wells, not at their thermal means.

The hidden h of V(x, h) are overdamped as the visible x are, but faster. A step of x is
cut in equal parts, in each of which h moves first and then x in the force of that h:

    dh = -dV/dh ds / kT_h + sqrt(2 ds) dW,    V/kT_h = U(h)/kT_h - u h

with s the time of the hidden oscillators, without unit. If s in a step of x is long
against the relaxation of a well, x feels the mean of h: what `drive` does.
"""

from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_count, check_times, check_values, checked
from .._loops import scan
from .bath import Bath
from .driving import steps
from .elements import QuarticWell
from .hidden import Hidden
from .potential import Protocol

__all__ = ["drive_relaxing"]


@checked
def drive_relaxing(
    protocol: Protocol,
    bath: Bath,
    key: Key[Array, ""],
    x: Float[Array, " n"],
    times: Float[Array, " T"],
    relaxation: Float[Array, ""] | float,
    parts: int,
) -> Float[Array, " n"]:
    """Where the visible oscillators end that a protocol drives, as `drive`.

    **Arguments:** `protocol`, of `Hidden` potentials with `QuarticWell` elements;
    `bath`; typed `key`; start `x`; `times`, increasing; `relaxation`, the time s that
    hidden oscillators move for in each step, in units in which their mobility times
    kT_h is one; `parts` of a step.

    **Raises:** `ValueError` for known `times` that do not increase, a `relaxation` that
    is not positive or `parts` below 1; `TypeError` for other potentials or elements.
    """
    check_times("times", times)
    check_values("relaxation", relaxation, lambda v: v > 0, "a positive number")
    check_count("parts", parts, 1, "part")
    element = getattr(protocol.potential, "element", None)
    if not isinstance(protocol.potential, Hidden) or not isinstance(
        element, QuarticWell
    ):
        raise TypeError(
            f"protocol.potential=<{type(protocol.potential).__name__}>, its element="
            f"{element}: expected Hidden potentials with QuarticWell elements"
        )

    def at(time: Array) -> Hidden:
        return cast(Hidden, protocol.at(time))

    def body(carry, inputs):
        start, end, step = inputs
        potential = at((start + end) / 2)

        def part(carry, number):
            x, h = carry
            own = jax.random.fold_in(jax.random.fold_in(key, step), number)
            normals = jax.random.normal(own, (x.shape[0] + h.shape[0],), x.dtype)
            u = potential.field(x) / potential.temperature
            inner = relaxation / parts
            h = h + inner * element.push(h, u)
            h = h + jnp.sqrt(jnp.asarray(2 * inner)) * normals[x.shape[0] :]
            force = potential.force_given(x, h)
            x = bath.step(normals[: x.shape[0]], x, force, (end - start) / parts)
            return (x, h), None

        return scan(part, carry, jnp.arange(parts))[0], None

    # No step has this number.
    first_key = jax.random.fold_in(key, jnp.uint32(0xFFFFFFFF))
    first = at(times[0])
    u = first.field(x) / first.temperature
    start = x, element.draw(first_key, u)
    return scan(body, start, steps(times))[0][0]
