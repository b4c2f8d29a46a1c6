"""Entropy production of the whole chain as force times flux, for any latent space.

Of ln A_bar - ln A, whose averages over the two halves of a double step differ by
sigma_xz (`whole_chain`), terms of x alone or of z alone drop out. With

    ln p(z|x) = z^T eta(h) + terms of z alone + terms of x alone

what is left is bilinear: sigma_xz = <z^T F(x)>_{x -> z} - <z^T F(x)>_{z -> x} with the
force F(x) = (w_bar - w^T) (x - x_mean) + eta(h) - h (docs/methods.md).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from .._checks import check_count, checked
from .._derivatives import refuse_derivative
from .._linear import at_least_single, contract
from .._loops import scan
from ..chain import fold_chain
from ..model import Model, backward_field
from .whole_chain import MeanAndError

__all__ = ["force_times_flux"]

BATCHES = 32
"""Parts of the chain, the scatter of whose means is the error."""


@checked
def force_times_flux(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> MeanAndError:
    """sigma_xz in nats per double step from a chain, with its standard error.

    Where eta is h, as for the softmax, `Binary` and `Gaussian`, sigma_xz = tr[(w_bar -
    w^T) (<x z^T>_{x -> z} - <x z^T>_{z -> x})], and each term is zero for an RBM. The
    averages share x; of the next z its mean stands for it. The error, of batch means,
    holds where a 32nd of the chain is many relaxation times.

    **Arguments:** typed `key`; `x`, the starting state (of a stationary chain: nothing
    is discarded); `num_steps`, T >= 1, rounded up to a multiple of `BATCHES`.

    **Raises:** `ValueError` for a T below 1, or a latent space that does not know its
    eta (`AbstractLatent.natural`); `TypeError` when it is differentiated.
    """
    check_count("num_steps", num_steps, 1, "double step")
    message = (
        "force_times_flux: expected not to be differentiated, as the law of its chain "
        "depends on the model; whole_chain_entropy_production has a derivative"
    )
    model = refuse_derivative(message, at_least_single(model))
    dtype = model.x_mean.dtype
    per_batch = -(-num_steps // BATCHES)

    def observe(carry, x, z):
        before, total = carry
        return z.astype(dtype), total + _work(model, before, x)

    def batch(carry, number):
        x, before = carry
        init = (before, jnp.zeros((), dtype))
        of_batch = jax.random.fold_in(key, number)
        x, (z, total) = fold_chain(model, of_batch, x, per_batch, observe, init)
        return (x, z), total / per_batch

    # The first x has no z before it: a double step of its own.
    nothing = jnp.zeros(model.latent.num_units, dtype)
    first = fold_chain(model, key, x, 1, lambda _, x, z: z.astype(dtype), nothing)
    _, means = scan(batch, first, jnp.arange(BATCHES))
    # Bits do not show a nan of the model that made them.
    means = jnp.where(model.has_nan, jnp.nan, means)
    return MeanAndError(jnp.mean(means), jnp.std(means, ddof=1) / BATCHES**0.5)


def _work(
    model: Model, before: Float[Array, " L"], x: Shaped[Array, " D"]
) -> Float[Array, ""]:
    """(E[z|x] - z')^T F(x) in nats, of an x that was drawn from z'."""
    p, latent = model.parameters, model.latent
    h = backward_field(model, x)
    # Apart from the linear part, so that tied weights make exactly zero.
    nonlinear = latent.natural(h) - h
    force = contract(p.w_bar - p.w.T, x.astype(h.dtype) - model.x_mean) + nonlinear
    return contract(latent.mean(h) - before, force)
