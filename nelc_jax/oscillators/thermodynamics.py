"""What generation costs: work, heat and entropy production of a driven network.

Steps alternate with changes of the potential, and the heat of a step is defined by the
probabilities of the step and of its reverse,

    Q = kT ln p(x' | x) / p(x | x')
      = (F + F') . (x' - x) / 2 + (mu dt / 4) (|F'|^2 - |F|^2)

with the forces of one potential at both ends. As dt -> 0 that is the integral of F
along the path in the sense of Stratonovich, and for every dt the fluctuation theorems
hold exactly: <exp(-(W - dF) / kT)> = 1 for W = V(end) - V(start) + Q from equilibrium.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_points, check_times, checked
from . import diffusion
from .bath import Bath
from .diffusion import Generation
from .potential import Protocol, at_time, energy, force


class Ledger(eqx.Module):
    """Where a driven path ends, the `work` done on it and the `heat` given to the bath.

    `work` = V(end) - V(start) + `heat`, energies.
    """

    x: Float[Array, " n"]
    work: Float[Array, ""]
    heat: Float[Array, ""]


@checked
def drive_metered(
    protocol: Protocol,
    bath: Bath,
    key: Key[Array, ""],
    x: Float[Array, " n"],
    times: Float[Array, " T"],
) -> Ledger:
    """`bath.drive` with the same random numbers, and its work and heat.

    `work` counts from the potential at the first to that at the last of the `times`.

    **Arguments:** as `bath.drive`.

    **Raises:** as `bath.drive`.
    """
    check_times("times", times)

    def body(carry, inputs):
        x, heat = carry
        start, end, step = inputs
        duration = end - start
        potential = at_time(protocol, (start + end) / 2)
        normal = jax.random.normal(jax.random.fold_in(key, step), x.shape, x.dtype)
        before = force(potential, x)
        kick = jnp.sqrt(2 * bath.mobility * bath.temperature * duration) * normal
        moved = x + bath.mobility * before * duration + kick
        after = force(potential, moved)
        heat = heat + step_heat(bath, x, moved, before, after, duration)
        return (moved, heat), None

    steps = jnp.arange(times.shape[0] - 1)
    start = (x, jnp.zeros((), x.dtype))
    (end, heat), _ = jax.lax.scan(body, start, (times[:-1], times[1:], steps))
    gained = energy(at_time(protocol, times[-1]), end) - energy(
        at_time(protocol, times[0]), x
    )
    return Ledger(end, gained + heat, heat)


@checked
def step_heat(
    bath: Bath,
    x: Float[Array, " n"],
    moved: Float[Array, " n"],
    before: Float[Array, " n"],
    after: Float[Array, " n"],
    duration: Float[Array, ""],
) -> Float[Array, ""]:
    """Q = kT ln p(x' | x) / p(x | x') of an Euler-Maruyama step, an energy.

    **Arguments:** `bath`; positions `x` and `moved`; the forces `before` and `after`
    there, of the same potential; the step's `duration`.
    """
    mean_force = (before + after) / 2
    excess = jnp.sum(jnp.square(after)) - jnp.sum(jnp.square(before))
    return jnp.sum(mean_force * (moved - x)) + bath.mobility * duration / 4 * excess


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
    velocity = diffusion.pace(generation) * bath.mobility * push
    squared = jnp.mean(jnp.sum(jnp.square(velocity), axis=-1))
    return squared / (bath.mobility * bath.temperature)
