"""The gradient of an RBM from its two phases, and the coordinates of its ascent."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from .._bernoulli import bernoulli_normaliser
from .._checks import checked
from .._linear import contract
from ..baselines.rbm import Moments, Parameters, Rbm, latent_moments, to_model
from ..estimators._moments import visible_bias
from ..model import backward_field


@checked
def data_moments(
    rbm: Rbm, x: Shaped[Array, "N D"], weights: Float[Array, " N"]
) -> Moments:
    """The positive phase, additive over the points: z averaged over p(z|x_m).

    **Arguments:** data `x`; `weights` of the points, summing to one over all data.
    """
    bits = x.astype(weights.dtype)
    z = weights[:, None] * rbm.latent.mean(backward_field(to_model(rbm), x))
    centred = bits - rbm.x_mean[None]
    return Moments(contract(centred.T, z), contract(weights, bits), jnp.sum(z, axis=0))


@checked
def visited_moments(
    rbm: Rbm, h: Float[Array, "K L"], z: Shaped[Array, "K L"]
) -> Moments:
    """The negative phase of K visited states, with the fields that z was drawn in.

    Enumerated states have the mean of p(z|x) over these in place of the visits.
    """
    latent, count = rbm.latent, len(z)
    if latent.enumerable:
        # E[z|x] in place of z, then E[x|z]: averages of less variance.
        share = jnp.mean(jnp.exp(latent.log_probs(h)), axis=0)
        return latent_moments(rbm, latent.states(), share)
    equal = jnp.full(count, 1 / count, rbm.x_mean.dtype)
    return latent_moments(rbm, z, equal)


@checked
def phase_gradient(rbm: Rbm, positive: Moments, negative: Moments) -> Parameters:
    """d <ln p(x)> / d(w, a, a_bar), positive minus negative phase, in nats a point.

    Where eq. 20 makes the visible bias redundant, its gradient is zero.
    """
    difference = jax.tree.map(jnp.subtract, positive, negative)
    return Parameters(
        w=difference.xz,
        a=visible_bias(rbm.latent, difference.x),
        a_bar=difference.z,
    )


@checked
def coordinates(rbm: Rbm) -> Parameters:
    """The parameters in which training moves: for one-hot states, ln weights for a_bar.

    ln (Z p_bar(z)) in place of a_bar, so that a step of w moves what a state
    generates and not how often: in a_bar the gradient of w_b is r_b (m_b - x_mean) -
    p_bar_b (mu_b - x_mean), here r_b (m_b - mu_b). Bernoulli units keep a_bar.
    """
    p = rbm.parameters
    if not rbm.latent.absorbs_visible_bias:
        return p
    return Parameters(p.w, p.a, p.a_bar + log_offset(p.w, p.a, rbm.x_mean))


@checked
def from_coordinates(rbm: Rbm, position: Parameters) -> Rbm:
    """The RBM with these `coordinates`, and the mean and latent space of `rbm`."""
    if rbm.latent.absorbs_visible_bias:
        # The visible bias is redundant: it has no slope along the coordinates either.
        a = jax.lax.stop_gradient(position.a)
        shift = log_offset(position.w, a, rbm.x_mean)
        position = Parameters(position.w, position.a, position.a_bar - shift)
    return Rbm(position, rbm.x_mean, rbm.latent)


@checked
def log_offset(
    w: Float[Array, "D L"], a: Float[Array, " D"], x_mean: Float[Array, " D"]
) -> Float[Array, " L"]:
    """ln (Z p_bar(z)) in nats of the states with one bit on, at a_bar = 0."""
    return bernoulli_normaliser(w.T + a[None]) - contract(x_mean, w)
