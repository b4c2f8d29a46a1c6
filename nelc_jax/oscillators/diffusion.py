"""Noising data in a trap, and the force that undoes it in another time and bath.

Noising is the motion in a harmonic trap of stiffness kappa in a bath (mu, kT):

    x_t = alpha x_0 + s eps,  alpha = exp(-mu kappa t),  s^2 = (1 - alpha^2) kT / kappa

with p_t its density. Generation runs from noising time `latest` back to `earliest`
within a protocol of some duration, in a bath (mu', kT'). With C = (latest - earliest) /
duration, noising time per protocol time, and c = C mu / mu', it has the density p_t at
all times if the force is

    F = c kappa x + (c kT + kT') grad ln p_t(x)

(docs/oscillators.md derives it). Where p_t is the trap's equilibrium, F = -kappa kT' /
kT x: generation starts in the equilibrium of a harmonic trap too.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import check_count, check_values, checked
from .bath import Bath

__all__ = ["Generation", "Noising", "NormalMixture"]


def _check_mobility(bath: Bath) -> None:
    if np.ndim(bath.mobility) > 0:
        raise ValueError(
            f"bath.mobility has shape {np.shape(bath.mobility)}: expected one number; "
            "hold oscillators in the bath that is given to drive"
        )


class Noising(eqx.Module):
    """The noising trap: `stiffness`, kappa; its `bath`; the range of noising times.

    The data are those at the noising time `earliest` > 0, where the score is still
    finite; at `latest` little but the trap's equilibrium must be left.

    **Raises:** `ValueError` for plain numbers out of order, `stiffness` > 0 and
    0 < `earliest` < `latest`, or a bath in which oscillators are held.
    """

    stiffness: Float[Array, ""] | float = 1.0
    bath: Bath = Bath()
    earliest: Float[Array, ""] | float = 0.01
    latest: Float[Array, ""] | float = 4.0

    def __check_init__(self):
        _check_mobility(self.bath)
        plain = all(
            isinstance(value, float | int)
            for value in (self.stiffness, self.earliest, self.latest)
        )
        if plain and not (self.stiffness > 0 and 0 < self.earliest < self.latest):
            raise ValueError(
                f"stiffness={self.stiffness}, earliest={self.earliest}, "
                f"latest={self.latest}: expected stiffness > 0 and "
                "0 < earliest < latest"
            )

    @checked
    def decay(self, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """alpha, what is left of a data point's position at noising time t."""
        return jnp.exp(-self.bath.mobility * self.stiffness * time)

    @checked
    def spread(self, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """s, the standard deviation (a length) around it at noising time t."""
        rate = self.bath.mobility * self.stiffness
        variance = -jnp.expm1(-2 * rate * time) * self.bath.temperature
        return jnp.sqrt(variance / self.stiffness)

    @checked
    def noise(
        self,
        normals: Float[Array, "*b n"],
        x: Float[Array, "*b n"],
        time: Float[Array, "*b"],
    ) -> tuple[Float[Array, "*b n"], Float[Array, "*b n"]]:
        """x_t = alpha x + s eps, and grad ln p(x_t | x) = -eps / s there.

        **Arguments:** `normals`, eps, standard normal numbers; data points `x`; the
        noising `time` of each.
        """
        deviation = self.spread(time)[..., None]
        noised = self.decay(time)[..., None] * x + deviation * normals
        return noised, -normals / deviation

    @checked
    def geometric_times(self, num: int) -> Float[Array, " K"]:
        """`num` noising times from `latest` to `earliest`, by a constant factor each.

        **Raises:** `ValueError` for a `num` below 2.
        """
        check_count("num", num, 2, "times")
        return jnp.geomspace(self.latest, self.earliest, num)


class NormalMixture(eqx.Module):
    """Isotropic normal distributions of one `variance` around `means`, with weights.

    With the data as means and variance 0 it is their empirical distribution.
    """

    means: Float[Array, "m n"]
    variance: Float[Array, ""]
    log_weights: Float[Array, " m"]

    @checked
    def noised(self, noising: Noising, time: Float[Array, ""]) -> "NormalMixture":
        """The distribution p_t of its draws at a noising time, a mixture as well."""
        alpha, s = noising.decay(time), noising.spread(time)
        variance = jnp.square(alpha) * self.variance + jnp.square(s)
        return NormalMixture(alpha * self.means, variance, self.log_weights)

    @checked
    def log_density(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """ln p(x) in nats; its gradient is the score."""
        squared = jnp.sum(jnp.square(x[None, :] - self.means), axis=1)
        log_scale = x.shape[0] / 2 * jnp.log(2 * jnp.pi * self.variance)
        normal = -squared / (2 * self.variance) - log_scale
        return jax.nn.logsumexp(self.log_weights + normal)


class Generation(eqx.Module):
    """How noise becomes data: the `noising` undone, in a `bath`, within a `duration`.

    The defaults undo it at the pace at which it happened, in the same bath.

    **Raises:** `ValueError` for a known `duration` that is not positive, or a bath in
    which oscillators are held.
    """

    noising: Noising = Noising()
    bath: Bath = Bath()
    duration: Float[Array, ""] | float = 3.99

    def __check_init__(self):
        check_values("duration", self.duration, lambda v: v > 0, "a positive number")
        _check_mobility(self.bath)

    @property
    def pace(self) -> Float[Array, ""]:
        """c = (noising time per protocol time) mu / mu', without unit."""
        clock = (self.noising.latest - self.noising.earliest) / self.duration
        return jnp.asarray(clock * self.noising.bath.mobility / self.bath.mobility)

    @property
    def score_weight(self) -> Float[Array, ""]:
        """c kT + kT', the energy in front of grad ln p in the force."""
        return self.pace * self.noising.bath.temperature + self.bath.temperature

    @property
    def trap_stiffness(self) -> Float[Array, ""]:
        """kappa kT' / kT, of the trap in whose equilibrium generation starts."""
        ratio = self.bath.temperature / self.noising.bath.temperature
        return jnp.asarray(self.noising.stiffness * ratio)

    @checked
    def protocol_time(self, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The protocol time at which generation passes a noising time."""
        noising = self.noising
        share = (noising.latest - time) / (noising.latest - noising.earliest)
        return share * self.duration

    @checked
    def noising_time(self, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The noising time that generation passes at a protocol time."""
        noising = self.noising
        share = time / self.duration
        return noising.latest - share * (noising.latest - noising.earliest)

    @checked
    def reverse_force(
        self, x: Float[Array, "*b n"], score: Float[Array, "*b n"]
    ) -> Float[Array, "*b n"]:
        """F = c kappa x + (c kT + kT') grad ln p_t(x), which undoes the noising.

        **Arguments:** positions `x`; `score`, grad ln p_t at x (1 / length).
        """
        return self.pace * self.noising.stiffness * x + self.score_weight * score

    @checked
    def loss_weight(self, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """(s / (c kT + kT'))^2, by which squared errors of the force count.

        The target force of one data point then has noise of variance 1 at all times.
        """
        return jnp.square(self.noising.spread(time) / self.score_weight)
