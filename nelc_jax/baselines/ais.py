"""Annealed importance sampling of the partition function of an RBM.

Neal (2001), for RBMs Salakhutdinov and Murray (2008): chains start from independent
pixels and pass through the laws p_beta of `tempered`, from beta = 0 to the RBM itself.
With x_k drawn at beta_k, the weight of a chain has the mean Z / Z_0:

    ln w = sum_k [ln f_{beta_{k+1}}(x_k) - ln f_{beta_k}(x_k)],  f_beta = Z_beta p_beta
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logit, logsumexp
from jaxtyping import Array, Float, Key

from .._bernoulli import bernoulli_normaliser
from .._checks import check_count, check_values, checked
from .._derivatives import refuse_derivative
from .._loops import scan
from ..model import INITIAL_CLIP
from . import rbm as law
from .rbm import Parameters, Rbm

__all__ = ["AnnealedEstimate", "log_partition"]


class AnnealedEstimate(eqx.Module):
    """ln Z in nats, its standard error, and the `log_ratios` ln w of the chains.

    `standard_error` is that of ln Z to first order, from the scatter of the weights
    over the chains; `effective_chains` = (sum w)^2 / sum w^2, in [1, C]. Near 1, a few
    chains carry the estimate, and its error is not to be trusted.
    """

    log_partition: Float[Array, ""]
    standard_error: Float[Array, ""]
    effective_chains: Float[Array, ""]
    log_ratios: Float[Array, " C"]


@checked
def data_bias(rbm: Rbm) -> Float[Array, " D"]:
    """The visible bias of independent pixels with the clipped means of the data."""
    return logit(jnp.clip(rbm.x_mean, INITIAL_CLIP, 1 - INITIAL_CLIP))


@checked
def tempered(rbm: Rbm, beta: Float[Array, ""], base_bias: Float[Array, " D"]) -> Rbm:
    """w and a_bar times beta, and the bias (1 - beta) base_bias + beta a.

    At beta = 0 pixels are independent and latent states uniform; at 1 it is `rbm`.
    """
    p = rbm.parameters
    a = (1 - beta) * base_bias + beta * p.a
    return Rbm(Parameters(beta * p.w, a, beta * p.a_bar), rbm.x_mean, rbm.latent)


@checked
def log_partition(
    rbm: Rbm,
    key: Key[Array, ""],
    betas: Float[Array, " B"],
    num_chains: int,
    base_bias: Float[Array, " D"] | None = None,
) -> AnnealedEstimate:
    """Estimate ln Z of an RBM with a hidden layer of any size.

    One double step of every chain at each intermediate beta. The mean of w is unbiased
    for Z / Z_0, so that ln Z is biased low, by about half the squared standard error.

    **Arguments:** typed `key`; `betas`, rising from 0 to 1; `num_chains`, C >= 2;
    `base_bias`, of the starting law (default `data_bias`).

    **Raises:** `ValueError` for a C below 2, fewer than two `betas`, or known ones that
    do not rise from 0 to 1; `TypeError` when it is differentiated.
    """
    check_count("num_chains", num_chains, 2, "chains")
    if betas.shape[0] < 2:
        raise ValueError(f"betas.shape={betas.shape}: expected at least 2 of them")
    check_values("betas", betas, _rise_from_0_to_1, "betas rising from 0 to 1")
    bias = data_bias(rbm) if base_bias is None else base_bias
    message = (
        "log_partition: expected not to be differentiated, as the law of its chains "
        "depends on the machine; the derivatives of ln Z are averages over its law"
    )
    rbm, betas, bias = refuse_derivative(message, (rbm, betas, bias))
    start_key, chain_key = jax.random.split(key)

    def ratio(x, beta, beta_next):
        after = law.log_weight(tempered(rbm, beta_next, bias), x)
        return after - law.log_weight(tempered(rbm, beta, bias), x)

    def body(carry, at):
        x, log_ratios = carry
        index, beta, beta_next = at
        step_key = jax.random.fold_in(chain_key, index)
        _, x = law.double_step(tempered(rbm, beta, bias), step_key, x)
        return (x, log_ratios + ratio(x, beta, beta_next)), None

    means = jnp.broadcast_to(jax.nn.sigmoid(bias)[None], (num_chains, bias.shape[0]))
    x = jax.random.bernoulli(start_key, means)
    steps = (jnp.arange(betas.shape[0] - 2), betas[1:-1], betas[2:])
    (_, log_ratios), _ = scan(body, (x, ratio(x, betas[0], betas[1])), steps)

    # At beta = 0 every latent state weighs the same.
    log_states = math.log(rbm.latent.num_states)
    log_sum, log_squares = logsumexp(log_ratios), logsumexp(2 * log_ratios)
    effective = jnp.exp(2 * log_sum - log_squares)
    # Var(w) / <w>^2 = C / effective - 1, with C - 1 for an unbiased variance.
    variance = (num_chains / effective - 1) / (num_chains - 1)
    return AnnealedEstimate(
        log_partition=bernoulli_normaliser(bias)
        + log_states
        + log_sum
        - math.log(num_chains),
        standard_error=jnp.sqrt(jnp.maximum(variance, 0)),
        effective_chains=effective,
        log_ratios=log_ratios,
    )


def _rise_from_0_to_1(betas: np.ndarray) -> np.ndarray:
    last = np.arange(len(betas)) == len(betas) - 1
    right = np.diff(betas, prepend=-1) > 0
    right[0] &= betas[0] == 0
    # linspace may end a rounding error beside 1.
    return right & np.where(last, np.isclose(betas, 1), betas < 1)
