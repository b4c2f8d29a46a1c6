"""Estimates of the log-likelihood (eq. 7, App. A3), all in nats a data point.

The law of x is a mixture p(x) = sum_k weight_k A[z_k, x] (eq. 5) over a *support* of
latent states: the S enumerated ones with their occupancy, or the states of a
trajectory, each with weight 1/T. Exact values for small systems are in `exact`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from ._bernoulli import bernoulli_log_prob, mixture_log_prob, weighted_log_prob
from ._checks import checked
from ._derivatives import refuse_derivative
from .chain import fold_chain
from .model import Model, forward_log_prob, forward_logits

__all__ = ["chain_log_prob", "occupancy_log_prob", "trajectory_log_prob"]


@checked
def occupancy_log_prob(
    model: Model, occupancy: Float[Array, " S"], x: Shaped[Array, "N D"]
) -> Float[Array, " N"]:
    """ln p(x_m) in nats from the occupancy of the enumerated states (App. A3).

    S x N evaluations. With the exact stationary law as `occupancy` it is exact; with
    an occupancy counted over T steps it is biased low by about (S - 1) / (2 T).

    **Arguments:** `occupancy`, p_bar, rows of zeros allowed; `x`, data.
    """
    return weighted_log_prob(
        occupancy, forward_log_prob(model, model.latent.states(), x)
    )


@checked
def trajectory_log_prob(
    model: Model, z: Shaped[Array, "T L"], x: Shaped[Array, "N D"]
) -> Float[Array, " N"]:
    """ln p(x_m) in nats as the mean of A over the visited states (App. A3).

    The mini-batch estimate on the fly. T x N evaluations, for any latent space.

    **Arguments:** `z`, the latent states of a trajectory; `x`, data.
    """
    num_steps = z.shape[0]
    return mixture_log_prob(
        jnp.full(num_steps, -jnp.log(num_steps), model.x_mean.dtype),
        forward_log_prob(model, z, x),
    )


@checked
def chain_log_prob(
    model: Model,
    key: Key[Array, ""],
    start: Shaped[Array, " D"],
    num_steps: int,
    x: Shaped[Array, "N D"],
) -> Float[Array, " N"]:
    """ln p(x_m) in nats from a long chain, for latent spaces of any size (App. A3).

    T x N evaluations, accumulated in the carry: memory does not grow with T. All nan
    for a model with a nan.

    **Arguments:** typed `key`; `start`, x(0); `num_steps`, T (the paper: 1e5); `x`.

    **Raises:** `TypeError` when it is differentiated: draws have no derivative.
    """
    message = (
        "chain_log_prob: expected not to be differentiated, as the law of its chain "
        "depends on the model; exact.log_likelihood and summarize have derivatives"
    )
    model = refuse_derivative(message, model)
    dtype = model.x_mean.dtype

    def observe(total, _, z):
        log_A = bernoulli_log_prob(forward_logits(model, z)[None], x)[:, 0]
        return jnp.logaddexp(total, log_A)

    init = jnp.full(x.shape[0], -jnp.inf, dtype)
    _, total = fold_chain(model, key, start, num_steps, observe, init)
    log_p = total - jnp.log(jnp.asarray(num_steps, dtype))
    # The model's own nan, as none may be made under `jax_debug_nans`.
    own = sum(jnp.sum(leaf).astype(dtype) for leaf in jax.tree.leaves(model))
    return jnp.where(model.has_nan, own, log_p)
