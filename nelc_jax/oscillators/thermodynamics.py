"""What generation costs, from the work and heat of many driven paths."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_points, checked
from .bath import Bath
from .diffusion import Generation

__all__ = ["entropy_production", "ideal_entropy_rate", "jarzynski"]


@checked
def jarzynski(work: Float[Array, " N"], bath: Bath) -> Float[Array, ""]:
    """dF = -kT ln <exp(-W / kT)>, the free energy difference from works (an energy).

    **Raises:** `ValueError` when there are none.
    """
    check_points("work", work)
    exponents = -work / bath.temperature
    mean = jax.nn.logsumexp(exponents) - jnp.log(work.shape[0])
    return -bath.temperature * mean


@checked
def entropy_production(
    heat: Float[Array, " N"],
    bath: Bath,
    entropy_start: Float[Array, ""] | float,
    entropy_end: Float[Array, ""] | float,
) -> Float[Array, ""]:
    """Mean total entropy production <Q> / kT + S(end) - S(start), in nats.

    **Arguments:** `heat` of N paths; `bath`; the differential entropies of the
    positions at the start and at the end, in nats, with the same unit of length.

    **Raises:** `ValueError` when there are no paths.
    """
    check_points("heat", heat)
    return jnp.mean(heat) / bath.temperature + entropy_end - entropy_start


@checked
def ideal_entropy_rate(
    generation: Generation, x: Float[Array, "N n"], score: Float[Array, "N n"]
) -> Float[Array, ""]:
    """The entropy production of generation without error, in nats a protocol time.

    <|v|^2> / (mu' kT') with the velocity v = c mu' (kappa x + kT score) at which the
    density moves: proportional to 1 / duration in sum.

    **Arguments:** `generation`; positions `x` drawn from p_t, and the `score` there.

    **Raises:** `ValueError` when `x` has no points.
    """
    check_points("x", x)
    noising, bath = generation.noising, generation.bath
    push = noising.stiffness * x + noising.bath.temperature * score
    velocity = generation.pace * bath.mobility * push
    squared = jnp.mean(jnp.sum(jnp.square(velocity), axis=-1))
    return squared / (bath.mobility * bath.temperature)
