"""The held contrast: one local rule for every element, with no derivative taken.

Hold the visible oscillators at x + beta e / 2, then at x - beta e / 2, with e the
weighted error of the force, and let every element read dV / d(parameter) of itself at
both. Minus the difference over beta is the gradient of the loss for that element's
parameter, up to a bias of order beta^2 (docs/oscillators.md).
"""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from .._checks import check_count, check_settings, check_values, checked
from .force_matching import ForceMatching
from .learning import AbstractMeasurement, AbstractRule, Measurement
from .network import AbstractNetwork
from .potential import AbstractPotential

__all__ = ["HeldContrast", "HeldMeasurement"]


class HeldMeasurement(AbstractMeasurement):
    """A measured error, and how the network is held by it."""

    measured: Measurement
    key: Key[Array, ""]
    beta: float = eqx.field(static=True)
    flips: int | None = eqx.field(static=True)

    @checked
    def gradient(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        share: Float[Array, "C B"],
    ) -> tuple[AbstractPotential, Float[Array, ""]]:
        """By what the elements read in two holds."""
        error, loss = self.measured.weighted_error(network, share)
        beta = self.beta * network.generation.score_weight
        x = self.measured.x
        if self.flips is None:
            return potential.knot_contrast(x, error, share, beta), loss
        contrast = potential.knot_contrast(x, error, share, beta, self.key, self.flips)
        return contrast, loss


class HeldContrast(AbstractRule):
    """Read the force and its target as `ForceMatching`, then hold the network twice.

    `beta`, of c kT + kT': the holds are apart by `beta` s times an error without unit,
    of order one; `flips`, random states of every hidden oscillator that are read in a
    hold, by default their thermal mean.

    **Raises:** `ValueError` for a `beta` that is not positive, or `flips` below 1.
    """

    beta: float = eqx.field(static=True, default=0.1)
    flips: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_settings(self)
        check_values("beta", self.beta, lambda v: v > 0, "a positive number")
        if self.flips is not None:
            check_count("flips", self.flips, 1, "state")

    @checked
    def measure(
        self,
        network: AbstractNetwork,
        potential: AbstractPotential,
        key: Key[Array, ""],
        points: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> HeldMeasurement:
        """The forces and their targets, with the key of the hidden states."""
        force_key, state_key = jax.random.split(key)
        measured = ForceMatching().measure(network, potential, force_key, points, share)
        return HeldMeasurement(measured, state_key, self.beta, self.flips)
