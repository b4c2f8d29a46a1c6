"""The thermal bath: overdamped motion, integrated by Euler's and Maruyama's scheme.

    dx = mu F(x, t) dt + sqrt(2 mu kT) dW

with the mobility mu (length per time and force) and the thermal energy kT.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_count, check_times, check_values, checked
from .potential import Protocol, at_time, force

ForceAt = Callable[[Float[Array, ""], Float[Array, " n"]], Float[Array, " n"]]
"""The force at a time and position."""


class Bath(eqx.Module):
    """`mobility`, mu > 0, length per time and force; `temperature`, kT > 0, an energy.

    **Raises:** `ValueError` for known numbers that are not positive.
    """

    mobility: Float[Array, ""] | float = 1.0
    temperature: Float[Array, ""] | float = 1.0

    def __check_init__(self):
        for name in ("mobility", "temperature"):
            value = getattr(self, name)
            check_values(name, value, lambda v: v > 0, "a positive number")


@checked
def euler_maruyama(
    force_at: ForceAt,
    bath: Bath,
    normals: Float[Array, "_ n"],
    x: Float[Array, " n"],
    times: Float[Array, " T"],
) -> Float[Array, "T n"]:
    """The positions at all `times` for given standard normal numbers, a row a step.

    x' = x + mu F(x, t + dt / 2) dt + sqrt(2 mu kT dt) normals. The noise does not
    depend on x, so that the scheme is of strong and of weak order 1; the force is taken
    at the middle of the step so that a protocol run backwards takes the same ones.

    **Arguments:** `force_at(time, x)`; `bath`; `normals`; start `x`; `times`.

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
        x = _step(force_at, bath, normal, x, start, end)
        return x, x

    _, path = jax.lax.scan(body, x, (times[:-1], times[1:], normals))
    return jnp.concatenate([x[None], path])


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
        normal = jax.random.normal(jax.random.fold_in(key, step), x.shape, x.dtype)
        return _step(_protocol_force(protocol), bath, normal, x, start, end), None

    steps = jnp.arange(times.shape[0] - 1)
    return jax.lax.scan(body, x, (times[:-1], times[1:], steps))[0]


@checked
def equilibrate(
    key: Key[Array, ""], bath: Bath, stiffness: Float[Array, ""] | float, num: int
) -> Float[Array, " n"]:
    """A draw from the equilibrium of the pure trap: normal with variance kT / k.

    **Raises:** `ValueError` for a `num` below 1, or a known stiffness that is not
    positive.
    """
    check_count("num", num, 1, "oscillator")
    check_values("stiffness", stiffness, lambda v: v > 0, "a positive number")
    deviation = jnp.sqrt(jnp.asarray(bath.temperature / stiffness))
    return deviation * jax.random.normal(key, (num,))


@checked
def refine(times: Float[Array, " K"], substeps: int) -> Float[Array, " T"]:
    """Each interval of `times` cut into `substeps` equal ones.

    **Raises:** `ValueError` for `substeps` below 1.
    """
    check_count("substeps", substeps, 1, "step")
    shares = jnp.arange(substeps) / substeps
    inner = times[:-1, None] + jnp.diff(times)[:, None] * shares[None, :]
    return jnp.append(inner.ravel(), times[-1])


def _protocol_force(protocol: Protocol) -> ForceAt:
    return lambda time, x: force(at_time(protocol, time), x)


def _step(force_at, bath, normal, x, start, end):
    duration = end - start
    drift = bath.mobility * force_at((start + end) / 2, x) * duration
    spread = jnp.sqrt(2 * bath.mobility * bath.temperature * duration)
    return x + drift + spread * normal
