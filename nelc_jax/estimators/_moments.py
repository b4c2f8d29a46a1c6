"""What estimators share: the moments of eq. 16-17, and the check of a horizon."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from .._checks import checked
from .._linear import contract
from ..latent import AbstractLatent
from .base import DataSums, Support


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
