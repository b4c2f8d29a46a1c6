"""What is learned: the parameters of a network at the knots of its protocol.

The parameters are numbers without unit. With s the spread of the noising at a knot,

    K = (c kT + kT') / s^2,   l^2 = kT / kappa,
    k = K k~,  J = K J~,  b = K l b~,  q = K / l^2 softplus(q~),

so that one learning rate fits all knots, and q stays positive.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import check_count, check_points, check_times, checked
from . import diffusion
from .diffusion import Generation
from .potential import Potential, Protocol

SMALL_QUARTIC = -6.0
"""q~ before training: softplus(-6) = 0.0025."""


class Network(eqx.Module):
    """What training does not change.

    `generation`; `pairs`, True for the coupled i < j; `knots`, decreasing noising times
    from `latest` to `earliest`.

    **Raises:** `ValueError` for known knots that do not decrease.
    """

    generation: Generation
    pairs: Bool[Array, "n n"]
    knots: Float[Array, " K"]

    def __check_init__(self):
        if isinstance(self.knots, np.ndarray | jax.Array):
            check_times("knots", self.knots, 2, "decreasing")


class Parameters(eqx.Module):
    """What training changes, with a leading axis over the knots; see above."""

    b: Float[Array, "K n"]
    k: Float[Array, "K n"]
    q: Float[Array, "K n"]
    J: Float[Array, "K n n"]


@checked
def geometric_knots(noising: diffusion.Noising, num: int) -> Float[Array, " K"]:
    """`num` noising times from `latest` to `earliest`, by a constant factor each.

    **Raises:** `ValueError` for a `num` below 2.
    """
    check_count("num", num, 2, "knots")
    return jnp.geomspace(noising.latest, noising.earliest, num)


@checked
def init_parameters(network: Network, x: Float[Array, "N n"]) -> Parameters:
    """The protocol for independent, normally distributed positions.

    With the mean m and variance v of the data at an oscillator,
    k = (c kT + kT') / (alpha^2 v + s^2) - c kappa, b = -alpha m (k + c kappa), J = 0:
    every oscillator needs to know its own statistics only. Exact but for q, which is
    positive and starts at `softplus(SMALL_QUARTIC)` of its unit.

    **Arguments:** `network`; data `x`.

    **Raises:** `ValueError` when `x` has no points, or other coordinates than `pairs`.
    """
    check_points("x", x)
    generation, length, stiffness = (
        network.generation,
        _length(network),
        _scale(network),
    )
    alpha = diffusion.decay(generation.noising, network.knots)[:, None]
    s = diffusion.spread(generation.noising, network.knots)[:, None]
    mean, variance = jnp.mean(x, axis=0)[None, :], jnp.var(x, axis=0)[None, :]
    inward = diffusion.score_weight(generation) / (
        jnp.square(alpha) * variance + jnp.square(s)
    )
    outward = diffusion.pace(generation) * generation.noising.stiffness
    k = (inward - outward) / stiffness[:, None]
    return Parameters(
        b=-inward * alpha * mean / (stiffness[:, None] * length),
        k=k,
        q=jnp.full_like(k, SMALL_QUARTIC),
        J=jnp.zeros((*k.shape, k.shape[-1])),
    )


@checked
def knot_potentials(network: Network, parameters: Parameters) -> Potential:
    """The potentials at the knots."""
    stiffness, length = _scale(network), _length(network)
    rows = stiffness[:, None]
    return Potential(
        b=rows * length * parameters.b,
        k=rows * parameters.k,
        q=rows / jnp.square(length) * jax.nn.softplus(parameters.q),
        J=stiffness[:, None, None] * jnp.where(network.pairs, parameters.J, 0),
    )


@checked
def protocol(network: Network, parameters: Parameters) -> Protocol:
    """The driving protocol, in protocol time, of the parameters."""
    times = diffusion.protocol_time(network.generation, network.knots)
    return Protocol(times, knot_potentials(network, parameters))


@checked
def change_pace(protocol: Protocol, old: Generation, new: Generation) -> Protocol:
    """A protocol for another bath or duration, as well learned as the old one.

    The score in F = c kappa x + (c kT + kT') score stays what it was: with r the ratio
    of new to old c kT + kT', b, q and J grow by r, and k' = r (k + c kappa) - c' kappa.

    **Arguments:** `protocol` for `old`; `new`, which undoes the same noising.
    """
    ratio = diffusion.score_weight(new) / diffusion.score_weight(old)
    before, after = (
        diffusion.pace(generation) * generation.noising.stiffness
        for generation in (old, new)
    )
    times = diffusion.noising_time(old, protocol.times)
    learned = protocol.potential
    return Protocol(
        diffusion.protocol_time(new, times),
        Potential(
            b=ratio * learned.b,
            k=ratio * (learned.k + before) - after,
            q=ratio * learned.q,
            J=ratio * learned.J,
        ),
    )


@checked
def pull_back(
    network: Network, parameters: Parameters, gradient: Potential
) -> Parameters:
    """The gradient for the parameters from that for the potentials: factors only."""
    stiffness, length = _scale(network), _length(network)
    rows = stiffness[:, None]
    return Parameters(
        b=rows * length * gradient.b,
        k=rows * gradient.k,
        q=rows / jnp.square(length) * jax.nn.sigmoid(parameters.q) * gradient.q,
        J=stiffness[:, None, None] * jnp.where(network.pairs, gradient.J, 0),
    )


def _scale(network: Network) -> Float[Array, " K"]:
    s = diffusion.spread(network.generation.noising, network.knots)
    return diffusion.score_weight(network.generation) / jnp.square(s)


def _length(network: Network) -> Float[Array, ""]:
    noising = network.generation.noising
    return jnp.sqrt(jnp.asarray(noising.bath.temperature / noising.stiffness))
