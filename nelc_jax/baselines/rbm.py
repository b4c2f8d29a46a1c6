"""The restricted Boltzmann machine: the equilibrium limit, w_bar tied to w.

    p(x, z) = exp((x - x_mean)^T w z + a^T x + a_bar^T z) / Z

has the conditionals of eq. 8-9 with w_bar = w^T, whose chain is reversible. In the
uncentred form, exp(x^T w z + a^T x + c^T z), the latent bias is c = a_bar - w^T x_mean.
Derivations: docs/baselines.md.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Key, Shaped

from .. import model
from .._bernoulli import bernoulli_normaliser
from .._checks import check_means, check_points, checked
from .._linear import contract
from .._loops import fori_loop
from .._random import draw_pixels, pixel_table
from ..latent import AbstractLatent, OneHot, sample_latent
from ..model import Model, backward_field, forward_logits
from .mixture import BernoulliMixture

__all__ = [
    "Moments",
    "Parameters",
    "Rbm",
    "double_step",
    "from_mixture",
    "latent_moments",
    "log_likelihood",
    "log_partition",
    "log_prob",
    "log_weight",
    "occupancy",
    "to_mixture",
    "to_model",
]

MAX_SUMMED_UNITS = 20
"""Z of a binary hidden layer is summed over 2^L states up to this L."""

CHUNK = 1024
"""Latent states of that sum that are held at a time."""


class Parameters(eqx.Module):
    """What training changes: w_bar is w^T."""

    w: Float[Array, "D L"]
    a: Float[Array, " D"]
    a_bar: Float[Array, " L"]


class Rbm(eqx.Module):
    """Parameters, the mean of the data (centring), and the latent space.

    **Raises:** `ValueError` for a latent space that belongs to no joint law p(x, z), as
    one-hot states with eq. 19, or a mean outside [0, 1] known at construction.
    """

    parameters: Parameters
    x_mean: Float[Array, " D"]
    latent: AbstractLatent

    def __check_init__(self):
        check_means("x_mean", self.x_mean)
        check_latent(self.latent)


class Moments(eqx.Module):
    """Averages <(x - x_mean) z^T>, <x> and <z> over a law of (x, z)."""

    xz: Float[Array, "D L"]
    x: Float[Array, " D"]
    z: Float[Array, " L"]


@checked
def check_latent(latent: AbstractLatent):
    """Raise the `ValueError` of a latent space that no RBM has."""
    if not latent.exponential:
        raise ValueError(
            f"latent={latent}: expected p(z|x) proportional to exp(z^T h), the "
            "conditional of a Boltzmann law, as of Binary(L) or OneHot(L, 'softmax')"
        )


@checked
def to_model(rbm: Rbm) -> Model:
    """The same two conditionals as a `Model`, to which all diagnostics apply."""
    p = rbm.parameters
    return Model(model.Parameters(p.w, p.a, p.w.T, p.a_bar), rbm.x_mean, rbm.latent)


@checked
def double_step(
    rbm: Rbm, key: Key[Array, ""], x: Shaped[Array, "C D"]
) -> tuple[Shaped[Array, "C L"], Bool[Array, "C D"]]:
    """z ~ p(z|x) and x' ~ p(x|z) of independent chains (eq. 18), one for each x."""
    latent_key, visible_key = jax.random.split(key)
    conditionals = to_model(rbm)
    z = sample_latent(rbm.latent, latent_key, backward_field(conditionals, x))
    table = pixel_table(visible_key, 0, forward_logits(conditionals, z))

    # The steps of one chain here, as its numbers for a step are independent of others.
    def draw(chain, row):
        return draw_pixels(visible_key, chain, row)

    return z, jax.vmap(draw)(jnp.arange(len(z)), table)


@checked
def log_weight(rbm: Rbm, x: Shaped[Array, "N D"]) -> Float[Array, " N"]:
    """ln (Z p(x)) = a^T x + ln sum_z exp(z^T h(x)) in nats.

    h = w^T (x - x_mean) + a_bar. The last term is sum_b softplus(h_b) for Bernoulli
    units and logsumexp(h) for one-hot states.
    """
    h = backward_field(to_model(rbm), x)
    # p(z|x) = exp(z^T h) / sum: the sum follows from any one state. From the likeliest,
    # which is drawn where all noise is equal, without cancellation.
    equal = jnp.full((len(h), rbm.latent.num_uniforms), 0.5, h.dtype)
    z = rbm.latent.draw(rbm.latent.noise(equal), h)
    exponent = jnp.sum(jnp.where(z, h, 0), axis=-1)
    normaliser = exponent - rbm.latent.log_prob(h, z)
    return contract(x.astype(h.dtype), rbm.parameters.a) + normaliser


@checked
def log_partition(rbm: Rbm) -> Float[Array, ""]:
    """ln Z = ln sum_z exp(_latent_log_weight(z)) in nats, exact.

    L terms for one-hot states, 2^L for Bernoulli ones, of which `CHUNK` are held.

    **Raises:** `ValueError` for more than `MAX_SUMMED_UNITS` Bernoulli units; `ais`
    estimates their Z.
    """
    latent = rbm.latent
    if latent.enumerable:
        return logsumexp(_latent_log_weight(rbm, latent.states()))
    if latent.num_units > MAX_SUMMED_UNITS:
        raise ValueError(
            f"num_units={latent.num_units}: expected at most {MAX_SUMMED_UNITS}, a sum "
            f"over 2^{MAX_SUMMED_UNITS} latent states; use ais.log_partition"
        )
    # Two powers of two: the chunks are whole.
    size = min(CHUNK, latent.num_states)

    def add_chunk(chunk, total):
        codes = chunk * size + jnp.arange(size)
        z = (codes[:, None] >> jnp.arange(latent.num_units)[None]) & 1
        return jnp.logaddexp(total, logsumexp(_latent_log_weight(rbm, z)))

    start = jnp.asarray(-jnp.inf, rbm.x_mean.dtype)
    return fori_loop(0, latent.num_states // size, add_chunk, start)


@checked
def log_prob(rbm: Rbm, x: Shaped[Array, "N D"]) -> Float[Array, " N"]:
    """ln p(x_m) in nats, exact (raises as `log_partition`)."""
    return log_weight(rbm, x) - log_partition(rbm)


@checked
def log_likelihood(rbm: Rbm, x: Shaped[Array, "N D"]) -> Float[Array, ""]:
    """The mean of ln p(x_m) in nats a point (eq. 7), exact.

    **Raises:** as `log_prob`, and `ValueError` when `x` has no points.
    """
    check_points("x", x)
    return jnp.mean(log_prob(rbm, x))


@checked
def occupancy(rbm: Rbm) -> Float[Array, " S"]:
    """p_bar(z) = exp(_latent_log_weight(z)) / Z of every enumerated state (eq. 6)."""
    return jax.nn.softmax(_latent_log_weight(rbm, rbm.latent.states()))


@checked
def latent_moments(
    rbm: Rbm, z: Shaped[Array, "K L"], weights: Float[Array, " K"]
) -> Moments:
    """The negative phase of a law of latent states: x averaged over p(x|z_k).

    **Arguments:** states `z` and their `weights`: all states with their occupancy, or
    those that a chain visited with equal weights.
    """
    bits = z.astype(weights.dtype)
    mean = jax.nn.sigmoid(forward_logits(to_model(rbm), z))
    weighted = weights[:, None] * bits
    centred = mean - rbm.x_mean[None]
    return Moments(
        contract(centred.T, weighted),
        contract(weights, mean),
        jnp.sum(weighted, axis=0),
    )


@checked
def from_mixture(mixture: BernoulliMixture, x_mean: Float[Array, " D"]) -> Rbm:
    """The RBM with one-hot hidden layer that is this mixture.

    w = logits^T, a = 0 and a_bar_k = ln weight_k + x_mean^T w_k - sum_i softplus(w_ik),
    which makes ln Z = 0.
    """
    w = mixture.logits.T
    offset = contract(x_mean, w) - bernoulli_normaliser(mixture.logits)
    return Rbm(
        Parameters(w, jnp.zeros_like(x_mean), mixture.log_weights + offset),
        x_mean,
        OneHot(w.shape[-1], "softmax"),
    )


@checked
def to_mixture(rbm: Rbm) -> BernoulliMixture:
    """The mixture over latent states that the RBM is: weights p_bar, logits w z + a."""
    states = rbm.latent.states()
    log_weights = jax.nn.log_softmax(_latent_log_weight(rbm, states))
    return BernoulliMixture(log_weights, forward_logits(to_model(rbm), states))


def _latent_log_weight(rbm: Rbm, z: Shaped[Array, "K L"]) -> Float[Array, " K"]:
    """ln (Z p_bar(z)) = c^T z + sum_i softplus((w z + a)_i) in nats.

    c = a_bar - w^T x_mean, the uncentred latent bias.
    """
    p = rbm.parameters
    c = p.a_bar - contract(rbm.x_mean, p.w)
    normaliser = bernoulli_normaliser(forward_logits(to_model(rbm), z))
    return contract(z.astype(c.dtype), c) + normaliser
