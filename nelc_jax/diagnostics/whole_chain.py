"""Entropy production of the whole chain of x and z, not only of the latent states.

The reverse of x -> z -> x' is x' -> z -> x. Per double step in the stationary state,

    sigma_xz = <f(x, z)>_{x -> z} - <f(x, z)>_{z -> x},  f = ln A_bar[x, z] - ln A[z, x]

where both averages know the laws that they need: p(x), which is out of reach for many
pixels, cancels. Grouping the paths by z alone can only lose irreversibility, so
sigma_xz >= sigma of eq. 21; both vanish for an RBM (docs/methods.md).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .._checks import check_count, checked
from .._derivatives import root, score_function
from .._linear import at_least_single
from .._loops import scan
from .._random import draw_pixels, pixel_table
from ..model import Model, backward_log_probs, bernoulli_log_prob, state_logits

__all__ = ["MeanAndError", "whole_chain_entropy_production"]

CHUNK = 32
"""Samples a latent state that share the random rounding of the probabilities."""


class MeanAndError(eqx.Module):
    """A Monte-Carlo mean and its standard error."""

    value: Float[Array, ""]
    error: Float[Array, ""]


@checked
def whole_chain_entropy_production(
    model: Model,
    key: Key[Array, ""],
    occupancy: Float[Array, " S"],
    num_samples: int,
) -> MeanAndError:
    """sigma_xz in nats per double step, with its standard error.

    With x drawn from z' ~ p_bar, the two averages share x, and the next state z is
    summed over: the mean of sum_z A_bar[x, z] (f(x, z) - f(x, z')).

    **Arguments:** typed `key`; `occupancy`, p_bar, taken as exact; `num_samples`, draws
    of x a latent state, rounded up to a multiple of `CHUNK`.

    **Raises:** `ValueError` for a `num_samples` below 1.
    """
    check_count("num_samples", num_samples, 1, "sample")
    model, occupancy = at_least_single((model, occupancy))
    logits = state_logits(model)
    num_states = logits.shape[0]

    def chunk(sums, index):
        table = pixel_table(key, index, logits)

        def one_of_each(sums, n):
            steps = (index * CHUNK + n) * num_states + jnp.arange(num_states)
            x = jax.vmap(draw_pixels, in_axes=(None, 0, 0))(key, steps, table)
            terms = _terms(model, logits, x)
            seen = jnp.exp(score_function(logits, x.astype(logits.dtype)))
            return jax.tree.map(jnp.add, sums, (seen * terms, seen * terms**2)), None

        return scan(one_of_each, sums, jnp.arange(CHUNK))

    chunks = -(-num_samples // CHUNK)
    zeros = jnp.zeros(num_states, logits.dtype)
    (total, squares), _ = scan(chunk, (zeros, zeros), jnp.arange(chunks))
    count = chunks * CHUNK
    mean = total / count
    variance = jnp.maximum(squares / count - mean**2, 0) / (count - 1)
    return MeanAndError(
        jnp.sum(occupancy * mean), root(jnp.sum(occupancy**2 * variance))
    )


def _terms(model: Model, logits: Array, x: Array) -> Float[Array, " S"]:
    """sum_z A_bar[x_k, z] (f(x_k, z) - f(x_k, z_k)) of one x_k from every state z_k."""
    log_A_bar = backward_log_probs(model, x)
    f = log_A_bar - bernoulli_log_prob(logits, x)
    return jnp.sum(jnp.exp(log_A_bar) * (f - jnp.diagonal(f)[:, None]), axis=-1)
