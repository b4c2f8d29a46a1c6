"""What estimators share: the moments of eq. 16-17, and the check of a horizon.

Those along a trajectory also share the support of the visited states.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from .._bernoulli import bernoulli_normaliser
from .._checks import checked
from .._linear import contract
from ..latent import AbstractLatent
from .base import DataSums, Support


@checked
def visited_support(
    latent: AbstractLatent, z: Shaped[Array, "T L"], logits: Float[Array, "K D"]
) -> Support:
    """All S latent states with their occupancy, or the T visited ones (App. A3).

    **Arguments:** `z`, along a trajectory; `logits` of p(x|z), of all states where they
    are enumerable, and of the visited ones elsewhere.
    """
    num_steps = z.shape[0]
    if not latent.enumerable:
        weights = jnp.full(num_steps, 1 / num_steps, logits.dtype)
        visit = jnp.arange(num_steps, dtype=jnp.int32)
    else:
        visit = latent.index(z)
        states = jnp.arange(latent.num_states, dtype=visit.dtype)
        counts = jnp.sum(visit[:, None] == states[None], axis=0)
        weights = counts.astype(logits.dtype) / num_steps
    return Support(logits, bernoulli_normaliser(logits), weights, visit)


@checked
def visited_g(support: Support, sums: DataSums) -> Float[Array, " T"]:
    """g(z(t)) of the visited states: that of an unvisited one may overflow, unused."""
    g = sums.r / jnp.where(support.weights > 0, support.weights, 1)
    return g[support.visit]


@checked
def forward_moments(support: Support, sums: DataSums) -> Float[Array, "K D"]:
    """sum_m r[k, m] (x_m - mu_k), of which eq. 16a-b are sums over k."""
    return sums.x - sums.r[:, None] * jax.nn.sigmoid(support.logits)


@checked
def backward_moments(
    coefficients: Float[Array, "L T"],
    x: Shaped[Array, "T D"],
    x_mean: Float[Array, " D"],
) -> tuple[Float[Array, "L D"], Float[Array, " L"]]:
    """Eq. 17 and 16d: sum_t c[t] (x(t) - x_mean), and the same without x.

    The coefficients c[:, t] = g(z(t)) score(t) / T hold the rest of the equations.
    """
    total = jnp.sum(coefficients, axis=1)
    moments = contract(coefficients, x.astype(coefficients.dtype))
    return moments - total[:, None] * x_mean[None], total


@checked
def visible_bias(latent: AbstractLatent, a: Float[Array, " D"]) -> Float[Array, " D"]:
    """The gradient of a, zero where eq. 20 makes the visible bias redundant."""
    return jnp.zeros_like(a) if latent.absorbs_visible_bias else a


@checked
def check_horizon(horizon: int | None):
    """Raise the `ValueError` of a horizon below 1."""
    if horizon is not None and horizon < 1:
        raise ValueError(
            f"horizon={horizon}: expected at least 1 double step, or None for all"
        )
