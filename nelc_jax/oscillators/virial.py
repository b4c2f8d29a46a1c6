"""The virial rule: learning from the force where the noised data are, and no target.

Implicit score matching written in forces. As <F . grad ln p> = -<div F> for any field,
the loss of force matching is, but for a constant,

    mean w [1/2 |F - c kappa x|^2 + (c kT + kT') div F],

in which the noise that was added does not occur. Its gradient is that of a force whose
target is c kappa x, and the mean of -w (c kT + kT') laplace dV / d(parameter): for a
stiffness k_i the virial theorem, -<F_i x_i> - kT. The Laplacian is the mean of the
second derivative along v over random signs v: the oscillators are shaken by v.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import checked
from .learning import AbstractMeasurement, AbstractRule
from .network import AbstractNetwork
from .potential import AbstractPotential

__all__ = ["Virial", "VirialMeasurement"]


class VirialMeasurement(AbstractMeasurement):
    """The `force` at positions `x`, and the `signs` by which they are shaken."""

    x: Float[Array, "C B n"]
    force: Float[Array, "C B n"]
    signs: Float[Array, "C B n"]

    @checked
    def gradient(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        share: Float[Array, "C B"],
    ) -> tuple[AbstractPotential, Float[Array, ""]]:
        """That of the loss above, which may be negative."""
        generation = network.generation
        weight = generation.loss_weight(network.times_between(share))[..., None]
        front = generation.score_weight
        error = self.force - generation.pace * generation.noising.stiffness * self.x
        pushed = weight * front * self.signs

        def shaken(x):
            # Both derivatives along v: of the forces, and of what the elements see.
            force = potential.forces_between(share, x)
            return force, potential.knot_gradient(x, pushed, share)

        _, (stretch, curved) = jax.jvp(shaken, (self.x,), (self.signs,))
        gradient = potential.knot_gradient(self.x, weight * error, share)
        divergence = front * self.signs * stretch
        loss = jnp.mean(weight * (jnp.square(error) / 2 + divergence))
        return jax.tree.map(jnp.add, gradient, curved), loss


class Virial(AbstractRule):
    """Noise data points, read the force there, and forget the noise."""

    @checked
    def measure(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        key: Key[Array, ""],
        points: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> VirialMeasurement:
        """The forces, and random signs."""
        noise_key, sign_key = jax.random.split(key)
        normals = jax.random.normal(noise_key, points.shape, points.dtype)
        time = network.times_between(share)
        x, _ = network.generation.noising.noise(normals, points, time)
        signs = jax.random.rademacher(sign_key, x.shape, x.dtype)
        return VirialMeasurement(x, potential.forces_between(share, x), signs)
