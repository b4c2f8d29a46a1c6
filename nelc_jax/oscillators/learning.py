"""Force matching: the protocol learned from measured forces, by a local rule.

At noising time t the loss is denoising score matching written in forces,

    loss = mean 1/2 (s / (c kT + kT'))^2 |F(x_t) - F*|^2,
    F* = c kappa x_t - (c kT + kT') eps / s

whose minimum over all fields is the force that undoes the noising. F is linear in b, k,
q and J: the gradient for each is the mean of (measured force - target) times what that
element itself sees, 1, x_i, x_i^3, and for J_ij x_j at end i plus x_i at end j.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_points, checked
from .._linear import contract
from . import diffusion
from .network import Network
from .potential import Potential, force


class Measurement(eqx.Module):
    """What was measured at positions `x`: the network's `force`, and the `target`.

    Either may be a noisy estimate; only their means matter to the gradient.
    """

    x: Float[Array, "*b n"]
    force: Float[Array, "*b n"]
    target: Float[Array, "*b n"]


@checked
def loss_weight(network: Network, time: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """(s / (c kT + kT'))^2 at a noising time: each unit of loss counts the same."""
    s = diffusion.spread(network.generation.noising, time)
    return jnp.square(s / diffusion.score_weight(network.generation))


@checked
def local_gradient(x: Float[Array, "B n"], error: Float[Array, "B n"]) -> Potential:
    """The gradient of mean 1/2 |error|^2 for b, k, q and J, error = force - target.

    Every entry is a mean over what one element sees: -e_i for b_i, -e_i x_i for k_i,
    -e_i x_i^3 for q_i, -(e_i x_j + e_j x_i) for J_ij.

    **Arguments:** positions `x`; `error`, with a weight of each sample if there is one.

    **Raises:** `ValueError` when `x` has no points.
    """
    check_points("x", x)
    mean_outer = contract(error.T, x) / x.shape[0]
    return Potential(
        b=-jnp.mean(error, axis=0),
        k=-jnp.mean(error * x, axis=0),
        q=-jnp.mean(error * x * jnp.square(x), axis=0),
        J=-jnp.triu(mean_outer + mean_outer.T, 1),
    )


@checked
def forces_between(
    knots: Potential, share: Float[Array, "C B"], x: Float[Array, "C B n"]
) -> Float[Array, "C B n"]:
    """Forces in the C = K - 1 intervals between knots, at a share of their length.

    The force is linear in the potential, and so it is in time between two knots.

    **Raises:** `ValueError` for knots that are not one more than the intervals.
    """
    if knots.b.shape[:-1] != (len(x) + 1,):
        raise ValueError(
            f"knots.b.shape={knots.b.shape}: expected potentials at {len(x) + 1} "
            f"knots, the ends of {len(x)} intervals"
        )
    at_knots = jax.vmap(jax.vmap(force, in_axes=(None, 0)))(knots, _around(x, x))
    num = x.shape[1]
    first, last = at_knots[:-1, :num], at_knots[1:, num:]
    return first + share[..., None] * (last - first)


@checked
def knot_gradient(
    x: Float[Array, "C B n"],
    error: Float[Array, "C B n"],
    share: Float[Array, "C B"],
) -> Potential:
    """`local_gradient` for the knots at both ends of each interval, K = C + 1.

    A knot is held responsible in proportion to its part in the potential of the time.
    """
    share = share[..., None]
    gradient = jax.vmap(local_gradient)(
        _around(x, x), _around((1 - share) * error, share * error)
    )
    # A mean over the points of two intervals, where that over one is meant.
    return jax.tree.map(lambda mean: 2 * mean, gradient)


def _around(
    after: Float[Array, "C B n"], before: Float[Array, "C B n"]
) -> Float[Array, "C+1 2*B n"]:
    """Samples of the interval after and of that before each knot; zeros at the ends.

    One product of matrices a knot serves both.
    """
    none = jnp.zeros_like(after[:1])
    pairs = jnp.concatenate([after, none]), jnp.concatenate([none, before])
    return jnp.concatenate(pairs, axis=1)


@checked
def measure_force(
    network: Network,
    knots: Potential,
    key: Key[Array, ""],
    points: Float[Array, "C B n"],
    share: Float[Array, "C B"],
    time: Float[Array, "C B"],
) -> Measurement:
    """Noise data points and read the force on every oscillator there.

    **Arguments:** `network`; the potentials `knots`; typed `key`; data `points`, the
    `share` of their interval at which each is noised, and the noising `time` of that.
    """
    normals = jax.random.normal(key, points.shape, points.dtype)
    x, score = diffusion.noise_points(network.generation.noising, normals, points, time)
    target = diffusion.reverse_force(network.generation, x, score)
    return Measurement(x, forces_between(knots, share, x), target)
