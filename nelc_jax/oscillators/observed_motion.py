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

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_count, check_settings, checked
from .._loops import scan
from .diffusion import Noising
from .learning import AbstractRule, Measurement
from .network import AbstractNetwork
from .potential import AbstractPotential

__all__ = ["ObservedMotion"]


class ObservedMotion(AbstractRule):
    """Watch the noising of data points, and the network from where they are.

    `fraction`, of s^2 / (2 mu kT), for which they are watched; `substeps`, in which the
    motion of the network is integrated. The protocol stands still meanwhile.

    **Raises:** `ValueError` for a `fraction` outside (0, 1) or `substeps` below 1.
    """

    fraction: float = eqx.field(static=True, default=0.1)
    substeps: int = eqx.field(static=True, default=2)

    def __check_init__(self):
        check_settings(self)
        check_count("substeps", self.substeps, 1, "step")
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction={self.fraction}: expected between 0 and 1")

    @checked
    def duration(
        self, noising: Noising, time: Float[Array, "*b"]
    ) -> Float[Array, "*b"]:
        """delta = fraction s^2 / (2 mu kT), a noising time, at most fraction t."""
        diffusivity = noising.bath.mobility * noising.bath.temperature
        return self.fraction * jnp.square(noising.spread(time)) / (2 * diffusivity)

    @checked
    def watch_noising(
        self,
        noising: Noising,
        normals: Float[Array, "3 *b n"],
        points: Float[Array, "*b n"],
        time: Float[Array, "*b"],
    ) -> tuple[Float[Array, "*b n"], Float[Array, "*b n"], Float[Array, "*b n"]]:
        """x_{t - delta}, x_t and x_{t + delta} of one path of the noising.

        **Arguments:** `noising`; three standard `normals` a coordinate; the data
        `points`; `time`, t.
        """
        delta = self.duration(noising, time)
        before, _ = noising.noise(normals[0], points, time - delta)
        now, _ = noising.noise(normals[1], before, delta)
        after, _ = noising.noise(normals[2], now, delta)
        return before, now, after

    @checked
    def measure(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        key: Key[Array, ""],
        points: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> Measurement:
        """The force and its target that the displacements amount to."""
        generation = network.generation
        noising, bath, pace = generation.noising, generation.bath, generation.pace
        time = network.times_between(share)
        delta = self.duration(noising, time)
        noising_key, network_key = jax.random.split(key)
        normals = jax.random.normal(noising_key, (3, *points.shape), points.dtype)
        before, x, after = self.watch_noising(noising, normals, points, time)

        # delta / C of protocol time, in which a force displaces by mu' F delta / C.
        travel = noising.bath.mobility * delta / pace
        duration = travel / (bath.mobility * self.substeps)

        def move(y, step_key):
            normal = jax.random.normal(step_key, y.shape, y.dtype)
            return bath.step(
                normal, y, potential.forces_between(share, y), duration
            ), None

        end, _ = scan(move, x, jax.random.split(network_key, self.substeps))
        weight = generation.score_weight / (2 * noising.bath.temperature)
        displaced = weight * (before - x) + (weight - pace) * (after - x)
        watched = (noising.bath.mobility * delta)[..., None]
        return Measurement(x, (end - x) / travel[..., None], displaced / watched)
