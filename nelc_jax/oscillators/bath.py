"""The thermal bath: overdamped motion, integrated by Euler's and Maruyama's scheme.

    dx = mu F(x, t) dt + sqrt(2 mu kT) dW

with the mobility mu (length per time and force) and the thermal energy kT. Oscillators
of mobility 0 stay where they are: they are held.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from .._checks import check_count, check_times, check_values, checked
from .._linear import on_last_axis
from .._loops import scan

__all__ = ["Bath", "hold", "refine"]

ForceAt = Callable[[Float[Array, ""], Float[Array, " n"]], Float[Array, " n"]]
"""The force at a time and position."""


class Bath(eqx.Module):
    """`mobility`, mu > 0, length per time and force; `temperature`, kT > 0, an energy.

    One mobility, or that of each oscillator, 0 for those that are held (`hold`).
    `reach`, the longest way, a length, that a force moves an oscillator in one step:
    where a step is too long for a steep potential, paths then stay finite; where no
    force reaches that far, nothing changes.

    **Raises:** `ValueError` for known numbers that are not positive.
    """

    mobility: Float[Array, ""] | Float[Array, " n"] | float = 1.0
    temperature: Float[Array, ""] | float = 1.0
    reach: Float[Array, ""] | float = math.inf

    def __check_init__(self):
        several = np.ndim(self.mobility) > 0
        least = (lambda v: v >= 0) if several else (lambda v: v > 0)
        expected = "a number, not negative" if several else "a positive number"
        check_values("mobility", self.mobility, least, expected)
        for name in ("temperature", "reach"):
            value = getattr(self, name)
            check_values(name, value, lambda v: v > 0, "a positive number")

    @checked
    def equilibrate(
        self, key: Key[Array, ""], stiffness: Float[Array, ""] | float, num: int
    ) -> Float[Array, " n"]:
        """A draw from the equilibrium of a harmonic trap: normal, of variance kT / k.

        **Arguments:** typed `key`; the trap's `stiffness`, k; `num` oscillators.

        **Raises:** `ValueError` for a `num` below 1, or a known stiffness that is not
        positive.
        """
        check_count("num", num, 1, "oscillator")
        check_values("stiffness", stiffness, lambda v: v > 0, "a positive number")
        deviation = jnp.sqrt(jnp.asarray(self.temperature / stiffness))
        return deviation * jax.random.normal(key, (num,))

    @checked
    def step(
        self,
        normal: Float[Array, "*b n"],
        x: Float[Array, "*b n"],
        force: Float[Array, "*b n"],
        duration: Float[Array, "*b"],
    ) -> Float[Array, "*b n"]:
        """x' = x + mu F dt + sqrt(2 mu kT dt) normal, mu |F| dt at most `reach`.

        **Arguments:** `normal`, standard normal numbers; positions `x`; the `force`
        there; the step's `duration`, dt.
        """
        travel = self._travel(x, duration)
        deviation = jnp.sqrt(2 * self.temperature * travel)
        return x + travel * self.push(force, duration) + deviation * normal

    @checked
    def push(
        self, force: Float[Array, "*b n"], duration: Float[Array, "*b"]
    ) -> Float[Array, "*b n"]:
        """The force that a step takes: none that moves farther than `reach`.

        **Arguments:** the `force`; the step's `duration`.
        """
        largest = self.reach / self._travel(force, duration)
        return jnp.clip(force, -largest, largest)

    def _travel(self, like: Array, duration: Array) -> Array:
        """mu dt, the way for a unit of force, of every oscillator or of all alike."""
        mobility = jnp.asarray(self.mobility, like.dtype)
        if mobility.ndim:
            mobility = on_last_axis(mobility, like)
        return mobility * duration[..., None]

    @checked
    def euler_maruyama(
        self,
        force_at: ForceAt,
        normals: Float[Array, "_ n"],
        x: Float[Array, " n"],
        times: Float[Array, " T"],
    ) -> Float[Array, "T n"]:
        """The positions at all `times` for given standard normal numbers, a row a step.

        The noise does not depend on x, so that the scheme is of strong and of weak
        order 1; the force is taken at the middle of the step so that a protocol run
        backwards takes the same ones.

        **Arguments:** `force_at(time, x)`; `normals`; start `x`; `times`.

        **Raises:** `ValueError` for another number of `normals` than of steps.
        """
        check_times("times", times)
        if len(normals) != len(times) - 1:
            raise ValueError(
                f"normals.shape={normals.shape}: expected a row for each of the "
                f"{len(times) - 1} steps between times of shape {times.shape}"
            )

        def body(x, inputs):
            start, end, normal = inputs
            x = self.step(normal, x, force_at((start + end) / 2, x), end - start)
            return x, x

        _, path = scan(body, x, (times[:-1], times[1:], normals))
        return jnp.concatenate([x[None], path])


@checked
def hold(bath: Bath, held: Bool[Array, " n"]) -> Bath:
    """The bath in which some oscillators are held where they start, by mobility 0.

    The others move as in `bath`, in the potential of all: in slow driving they end in
    its equilibrium given those that are held. No heat comes from what is held.

    **Arguments:** `bath`, of one mobility; `held`, True for those.

    **Raises:** `ValueError` for a bath in which each oscillator has a mobility already.
    """
    if np.ndim(bath.mobility) > 0:
        raise ValueError(
            f"bath.mobility has shape {np.shape(bath.mobility)}: expected one number"
        )
    return Bath(jnp.where(held, 0.0, bath.mobility), bath.temperature, bath.reach)


@checked
def refine(times: Float[Array, " K"], substeps: int) -> Float[Array, " T"]:
    """Each interval of `times` cut into `substeps` equal ones.

    **Raises:** `ValueError` for `substeps` below 1.
    """
    check_count("substeps", substeps, 1, "step")
    shares = (jnp.arange(substeps) / substeps).astype(times.dtype)
    inner = times[:-1, None] + jnp.diff(times)[:, None] * shares[None, :]
    return jnp.append(inner.ravel(), times[-1])
