"""Noising data in a trap, and the forces that undo it in another time and bath.

Noising is the motion in a pure harmonic trap of stiffness kappa in a bath (mu, kT):

    x_t = alpha x_0 + s eps,  alpha = exp(-mu kappa t),  s^2 = (1 - alpha^2) kT / kappa

with p_t its density. Generation runs from noising time `latest` back to `earliest`
within a protocol of some duration, in a bath (mu', kT'). With C = (latest - earliest) /
duration, noising time per protocol time, and c = C mu / mu', it has the density p_t at
all times if the force is

    F = c kappa x + (c kT + kT') grad ln p_t(x)

(docs/oscillators.md derives it). Where p_t is the trap's equilibrium, F = -kappa kT' /
kT x: generation starts in the equilibrium of a pure trap too.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_values, checked
from .bath import Bath


class Noising(eqx.Module):
    """The noising trap: `stiffness`, kappa; its `bath`; the range of noising times.

    Data are those at the noising time `earliest` > 0, where the score is still finite;
    at `latest` little but the trap's equilibrium must be left.

    **Raises:** `ValueError` for plain numbers out of order, `stiffness` > 0 and
    0 < `earliest` < `latest`.
    """

    stiffness: Float[Array, ""] | float = 1.0
    bath: Bath = Bath()
    earliest: Float[Array, ""] | float = 0.01
    latest: Float[Array, ""] | float = 4.0

    def __check_init__(self):
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


class Generation(eqx.Module):
    """How noise becomes data: the `noising` undone, in a `bath`, within a `duration`.

    The defaults undo it at the pace at which it happened, in the same bath.

    **Raises:** `ValueError` for a known `duration` that is not positive.
    """

    noising: Noising = Noising()
    bath: Bath = Bath()
    duration: Float[Array, ""] | float = 3.99

    def __check_init__(self):
        check_values("duration", self.duration, lambda v: v > 0, "a positive number")


class Mixture(eqx.Module):
    """Isotropic normal distributions of one `variance` around `means`, with weights.

    With the data as means and variance 0 it is their empirical distribution.
    """

    means: Float[Array, "m n"]
    variance: Float[Array, ""]
    log_weights: Float[Array, " m"]


@checked
def decay(noising: Noising, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """alpha, what is left of a data point's position at noising time t."""
    return jnp.exp(-noising.bath.mobility * noising.stiffness * time)


@checked
def spread(noising: Noising, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """s, the standard deviation (a length) around it at noising time t."""
    rate = noising.bath.mobility * noising.stiffness
    variance = -jnp.expm1(-2 * rate * time) * noising.bath.temperature
    return jnp.sqrt(variance / noising.stiffness)


@checked
def pace(generation: Generation) -> Float[Array, ""]:
    """c = (noising time per protocol time) mu / mu', without unit."""
    noising = generation.noising
    clock = (noising.latest - noising.earliest) / generation.duration
    return jnp.asarray(clock * noising.bath.mobility / generation.bath.mobility)


@checked
def score_weight(generation: Generation) -> Float[Array, ""]:
    """c kT + kT', the energy in front of grad ln p in the force."""
    noising = generation.noising
    return pace(generation) * noising.bath.temperature + generation.bath.temperature


@checked
def trap_stiffness(generation: Generation) -> Float[Array, ""]:
    """kappa kT' / kT, of the trap in whose equilibrium generation starts."""
    noising = generation.noising
    ratio = generation.bath.temperature / noising.bath.temperature
    return jnp.asarray(noising.stiffness * ratio)


@checked
def protocol_time(
    generation: Generation, time: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """The protocol time at which generation passes a noising time."""
    noising = generation.noising
    share = (noising.latest - time) / (noising.latest - noising.earliest)
    return share * generation.duration


@checked
def noising_time(
    generation: Generation, time: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """The noising time that generation passes at a protocol time."""
    noising = generation.noising
    share = time / generation.duration
    return noising.latest - share * (noising.latest - noising.earliest)


@checked
def reverse_force(
    generation: Generation, x: Float[Array, "*b n"], score: Float[Array, "*b n"]
) -> Float[Array, "*b n"]:
    """F = c kappa x + (c kT + kT') grad ln p_t(x), the force that undoes the noising.

    **Arguments:** `generation`; positions `x`; `score`, grad ln p_t at x (1 / length).
    """
    outward = pace(generation) * generation.noising.stiffness * x
    return outward + score_weight(generation) * score


@checked
def noise_points(
    noising: Noising,
    normals: Float[Array, "*b n"],
    x: Float[Array, "*b n"],
    time: Float[Array, "*b"],
) -> tuple[Float[Array, "*b n"], Float[Array, "*b n"]]:
    """x_t = alpha x + s eps of data points x, and grad ln p(x_t | x) = -eps / s there.

    **Arguments:** `noising`; `normals`, eps, standard normal numbers; data points `x`;
    the noising `time` of each.
    """
    deviation = spread(noising, time)[..., None]
    noised = decay(noising, time)[..., None] * x + deviation * normals
    return noised, -normals / deviation


@checked
def log_density(
    noising: Noising,
    mixture: Mixture,
    time: Float[Array, ""],
    x: Float[Array, " n"],
) -> Float[Array, ""]:
    """ln p_t(x) in nats for data from a mixture; its gradient is the exact score."""
    alpha = decay(noising, time)
    variance = jnp.square(alpha) * mixture.variance + jnp.square(spread(noising, time))
    squared = jnp.sum(jnp.square(x[None, :] - alpha * mixture.means), axis=1)
    normal = -squared / (2 * variance) - x.shape[0] / 2 * jnp.log(2 * jnp.pi * variance)
    return jax.nn.logsumexp(mixture.log_weights + normal)
