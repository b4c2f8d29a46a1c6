"""What a learning rule is: what it measures on a network, and the local gradient.

Two rules compare forces. At noising time t their loss is denoising score matching
written in forces,

    loss = mean 1/2 (s / (c kT + kT'))^2 |F(x_t) - F*|^2,
    F* = c kappa x_t - (c kT + kT') eps / s

whose minimum over all fields is the force that undoes the noising. With e the weighted
F - F*, the gradient for a parameter is the mean of -(e . grad) dV / d(parameter): what
the element reads of itself, contrasted between positions moved by e one way and the
other. Where the force is linear in the parameter that is e times what the element sees.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import checked
from .network import AbstractNetwork
from .potential import AbstractPotential

__all__ = ["AbstractMeasurement", "AbstractRule", "Measurement"]


class AbstractMeasurement(eqx.Module):
    """What a rule has measured, and what the elements of the network make of it."""

    @abc.abstractmethod
    def gradient(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        share: Float[Array, "C B"],
    ) -> tuple[AbstractPotential, Float[Array, ""]]:
        """The gradient for the potentials at the knots, and the loss.

        The gradient is of the sum over intervals, the loss (without unit) a mean a
        degree of freedom.
        """


class AbstractRule(eqx.Module):
    """What a protocol is learned from; its fields are its own settings."""

    @abc.abstractmethod
    def measure(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        key: Key[Array, ""],
        points: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> AbstractMeasurement:
        """Noise data points, and measure what the network does there.

        **Arguments:** `network`; its `potential` at the knots; typed `key`; data
        `points`, a row for each of the C = K - 1 intervals between knots; the `share`
        of the interval at which each is noised.
        """


class Measurement(AbstractMeasurement):
    """The network's `force` at positions `x`, and the `target` that it should be.

    Either may be a noisy estimate; only their means matter to the gradient.
    """

    x: Float[Array, "C B n"]
    force: Float[Array, "C B n"]
    target: Float[Array, "C B n"]

    @checked
    def gradient(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        share: Float[Array, "C B"],
    ) -> tuple[AbstractPotential, Float[Array, ""]]:
        """That of the loss above."""
        error, loss = self.weighted_error(network, share)
        return potential.knot_gradient(self.x, error, share), loss

    @checked
    def weighted_error(
        self, network: AbstractNetwork, share: Float[Array, "C B"]
    ) -> tuple[Float[Array, "C B n"], Float[Array, ""]]:
        """e, the force less its target with the weight of its time, and the loss."""
        time = network.times_between(share)
        weight = network.generation.loss_weight(time)[..., None]
        error = self.force - self.target
        return weight * error, jnp.mean(weight * jnp.square(error)) / 2
