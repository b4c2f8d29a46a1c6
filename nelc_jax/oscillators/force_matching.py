"""Force matching: the protocol is learned from forces that are read."""

import jax
from jaxtyping import Array, Float, Key

from .._checks import checked
from .learning import AbstractRule, Measurement
from .network import AbstractNetwork
from .potential import AbstractPotential

__all__ = ["ForceMatching"]


class ForceMatching(AbstractRule):
    """Noise data points and read the force on every oscillator there."""

    @checked
    def measure(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        key: Key[Array, ""],
        points: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> Measurement:
        """The forces, and the target F* of each noised point."""
        normals = jax.random.normal(key, points.shape, points.dtype)
        time = network.times_between(share)
        x, score = network.generation.noising.noise(normals, points, time)
        target = network.generation.reverse_force(x, score)
        return Measurement(x, potential.forces_between(share, x), target)
