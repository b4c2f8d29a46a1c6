"""Contrastive divergence by one thermal step: the classic CD1, with no force read.

At a noised point x the elements read dV / d(parameter) of themselves. Then the network
moves for one short step at c kT + kT', its potential frozen and the outward force
c kappa x taken off, and they read again at x':

    [dV / d(parameter)(x) - dV / d(parameter)(x')] / (fraction (c kT + kT')).

With mu dt = fraction s^2 / (c kT + kT') that is, in the mean and as fraction -> 0, the
gradient of `Virial` with the weight of its time; its variance is of order 1 / fraction.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_settings, check_values, checked
from .learning import AbstractMeasurement, AbstractRule
from .network import AbstractNetwork
from .potential import AbstractPotential

__all__ = ["ContrastiveDivergence", "Step"]


class Step(AbstractMeasurement):
    """Positions `x`, and where a thermal step from there `ended`."""

    x: Float[Array, "C B n"]
    ended: Float[Array, "C B n"]
    fraction: float = eqx.field(static=True)

    @checked
    def gradient(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        share: Float[Array, "C B"],
    ) -> tuple[AbstractPotential, Float[Array, ""]]:
        """By readings at both ends.

        The loss is not what is descended, which is not measured: the mean of
        |x' - x|^2 / (4 fraction s^2), 1/2 and more.
        """
        scale = 1 / (self.fraction * network.generation.score_weight)
        before = potential.knot_readings(self.x, share)
        after = potential.knot_readings(self.ended, share)
        spread = network.generation.noising.spread(network.times_between(share))
        apart = (self.ended - self.x) / spread[..., None]
        loss = jnp.mean(jnp.square(apart)) / (4 * self.fraction)
        return jax.tree.map(lambda a, b: scale * (a - b), before, after), loss


class ContrastiveDivergence(AbstractRule):
    """Noise data points and let the network move from there for a moment.

    `fraction`, of s^2 / (mu (c kT + kT')), the duration of the step.

    **Raises:** `ValueError` for a `fraction` outside (0, 1).
    """

    fraction: float = eqx.field(static=True, default=0.1)

    def __check_init__(self):
        check_settings(self)
        expected = "between 0 and 1"
        check_values("fraction", self.fraction, lambda v: (v > 0) & (v < 1), expected)

    @checked
    def measure(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        key: Key[Array, ""],
        points: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> Step:
        """Where the step starts and ends."""
        generation = network.generation
        noise_key, step_key = jax.random.split(key)
        normals = jax.random.normal(noise_key, points.shape, points.dtype)
        time = network.times_between(share)
        x, _ = generation.noising.noise(normals, points, time)
        force = potential.forces_between(share, x)
        spread = generation.noising.spread(time)[..., None]
        travel = self.fraction * jnp.square(spread) / generation.score_weight
        drift = force - generation.pace * generation.noising.stiffness * x
        thermal = jax.random.normal(step_key, x.shape, x.dtype)
        # 2 (c kT + kT') mu dt is 2 fraction s^2.
        moved = travel * drift + jnp.sqrt(2 * self.fraction) * spread * thermal
        return Step(x, x + moved, self.fraction)
