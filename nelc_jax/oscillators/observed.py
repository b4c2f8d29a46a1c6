"""Learning from observed motion (CD1): force matching with no force ever read.

Noised data are watched for a short time delta, and so is the network started at the
same positions x. From the displacements,

    network:           (x(tau + delta / C) - x) C / (mu' delta)  ->  F
    noising, reversed: back = (x_{t - delta} - x) / (mu delta)  ->  kappa x + 2 kT score
    noising, onwards:  ahead = (x_{t + delta} - x) / (mu delta)  ->  -kappa x

in the mean as delta -> 0, and A back + (A - c) ahead -> F* with A = (c kT + kT') /
(2 kT). In the same bath at the same pace A = c = 1: the network is compared with the
film of the noising run backwards. The bias of the gradient is of order delta, its
variance of order 1 / delta.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_count, check_values, checked
from . import diffusion
from .diffusion import Noising
from .learning import Measurement, forces_between
from .network import Network
from .potential import Potential


@checked
def observation_time(
    noising: Noising, time: Float[Array, "*b"], fraction: float
) -> Float[Array, "*b"]:
    """delta = fraction s^2 / (2 mu kT), a noising time, never more than fraction t.

    **Raises:** `ValueError` for a known fraction outside of (0, 1).
    """
    check_values("fraction", fraction, lambda v: (v > 0) & (v < 1), "between 0 and 1")
    diffusivity = noising.bath.mobility * noising.bath.temperature
    return fraction * jnp.square(diffusion.spread(noising, time)) / (2 * diffusivity)


@checked
def watch_noising(
    noising: Noising,
    normals: Float[Array, "3 *b n"],
    points: Float[Array, "*b n"],
    time: Float[Array, "*b"],
    delta: Float[Array, "*b"],
) -> tuple[Float[Array, "*b n"], Float[Array, "*b n"], Float[Array, "*b n"]]:
    """x_{t - delta}, x_t and x_{t + delta} of one path of the noising, exactly drawn.

    **Arguments:** `noising`; three standard `normals` a coordinate; the data `points`;
    `time`, t; `delta` < t.
    """
    before, _ = diffusion.noise_points(noising, normals[0], points, time - delta)
    now, _ = diffusion.noise_points(noising, normals[1], before, delta)
    after, _ = diffusion.noise_points(noising, normals[2], now, delta)
    return before, now, after


@checked
def measure_motion(
    network: Network,
    knots: Potential,
    key: Key[Array, ""],
    points: Float[Array, "C B n"],
    share: Float[Array, "C B"],
    time: Float[Array, "C B"],
    fraction: float,
    substeps: int,
) -> Measurement:
    """Watch the noising of data points, and the network from where they are.

    The protocol stands still while the network is watched.

    **Arguments:** as `learning.measure_force`; `fraction` of `observation_time`;
    `substeps` in which the motion of the network is integrated.

    **Raises:** `ValueError` for a `fraction` or `substeps` out of range.
    """
    check_count("substeps", substeps, 1, "step")
    generation = network.generation
    noising, bath = generation.noising, generation.bath
    delta = observation_time(noising, time, fraction)
    noising_key, network_key = jax.random.split(key)
    normals = jax.random.normal(noising_key, (3, *points.shape), points.dtype)
    before, x, after = watch_noising(noising, normals, points, time, delta)

    paces = diffusion.pace(generation)
    # delta / C of protocol time, in which a force displaces by mu' F delta / C.
    travel = (noising.bath.mobility * delta / paces)[..., None]
    per_step = travel / substeps
    kick = jnp.sqrt(2 * bath.temperature * per_step)

    def move(y, step_key):
        normal = jax.random.normal(step_key, y.shape, y.dtype)
        return y + per_step * forces_between(knots, share, y) + kick * normal, None

    end, _ = jax.lax.scan(move, x, jax.random.split(network_key, substeps))
    weight = diffusion.score_weight(generation) / (2 * noising.bath.temperature)
    displaced = weight * (before - x) + (weight - paces) * (after - x)
    watched = (noising.bath.mobility * delta)[..., None]
    return Measurement(x, (end - x) / travel, displaced / watched)
