"""Errors of everything that is computed from an averaged kernel, by the jackknife.

The batches of `summary.summarize_batches` are independent. A statistic f of the mean
kernel, however nonlinear, is computed again without each of the B batches:

    error^2 = (B - 1) / B sum_b (f_(b) - mean f)^2,    bias = (B - 1) (mean f - f_all)

(Quenouille 1956, Tukey 1958). The bias is that of order 1 / samples.
"""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_count, checked
from .._derivatives import root

__all__ = ["jackknife_bias", "jackknife_error"]

Tree = TypeVar("Tree")


@checked
def jackknife_error(replicates: Tree) -> Tree:
    """Standard errors of the arrays in a pytree, from their B leave-one-out values.

    Infinite where a replicate is (a relaxation time can be). Too small for entropy
    production rates near equilibrium: below 1e-4, three errors cover 94 to 98 %, and
    what they miss is too low (docs/methods.md).

    **Raises:** `ValueError` for a B below 2.
    """

    def error(values: Float[Array, "B *s"]) -> Float[Array, "*s"]:
        size = values.shape[0]
        check_count("replicates", size, 2, "batches")
        infinite = jnp.any(jnp.isinf(values), axis=0)
        variance = jnp.var(jnp.where(jnp.isinf(values), 0, values), axis=0)
        error = root((size - 1) * variance)
        return jnp.where(infinite & ~jnp.isnan(error), jnp.inf, error)

    return jax.tree.map(error, replicates)


@checked
def jackknife_bias(estimate: Tree, replicates: Tree) -> Tree:
    """Biases of the arrays in a pytree, to first order in 1 / samples.

    `estimate - bias` of an entropy production rate is centred on zero at equilibrium,
    where the plain estimate is always positive.
    """

    def bias(all_batches: Float[Array, "*s"], values: Float[Array, "B *s"]):
        return (values.shape[0] - 1) * (jnp.mean(values, axis=0) - all_batches)

    return jax.tree.map(bias, estimate, replicates)
