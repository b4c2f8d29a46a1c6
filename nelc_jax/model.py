"""The model: two independently parametrised conditionals p(x|z) and p(z|x) (Sect. II).

Arrays: w (D, L) and a (D,) drive z -> x, w_bar (L, D) and a_bar (L,) drive x -> z;
w_bar is not the transpose of w. An ensemble is a `Model` whose arrays have one more
leading axis, made and used through `vmap`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logit
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key, Shaped

from ._bernoulli import bernoulli_log_prob
from ._checks import check_bits, check_means, check_points, checked
from ._linear import contract, on_last_axis
from .latent import AbstractLatent

__all__ = [
    "Model",
    "Parameters",
    "backward_field",
    "backward_log_probs",
    "forward_log_prob",
    "forward_log_prob_star",
    "forward_logits",
    "init_model",
    "state_logits",
]

INITIAL_CLIP = 1e-3
"""Pixel means are clipped to [INITIAL_CLIP, 1 - INITIAL_CLIP] before their logit."""


class Parameters(eqx.Module):
    """What training changes; gradients and optimiser moments have the same shape."""

    w: Float[Array, "D L"]
    a: Float[Array, " D"]
    w_bar: Float[Array, "L D"]
    a_bar: Float[Array, " L"]


class Model(eqx.Module):
    """Parameters, the mean of the data (centring trick), and the latent space.

    **Raises:** `ValueError` for a mean outside [0, 1] that is known at construction.
    """

    parameters: Parameters
    x_mean: Float[Array, " D"]
    latent: AbstractLatent

    def __check_init__(self):
        check_means("x_mean", self.x_mean)

    @property
    def num_visible(self) -> int:
        """D, the number of visible bits."""
        return self.x_mean.shape[-1]

    @property
    def has_nan(self) -> Bool[Array, ""]:
        """Whether a number of it is nan, which bits drawn from it do not show."""
        arrays = filter(eqx.is_inexact_array, jax.tree.leaves(self))
        return jnp.any(jnp.stack([jnp.any(jnp.isnan(array)) for array in arrays]))


@checked
def forward_logits(model: Model, z: Shaped[Array, "*b L"]) -> Float[Array, "*b D"]:
    """Logits w z + a of p(x_i = 1|z) (eq. 10, 14)."""
    p = model.parameters
    logits = contract(z.astype(p.w.dtype), p.w.T)
    return logits + on_last_axis(p.a, logits)


@checked
def state_logits(model: Model) -> Float[Array, "S D"]:
    """`forward_logits` of every latent state, in the order of `latent.states()`."""
    p = model.parameters
    return model.latent.sum_units(p.w.T) + p.a[None]


@checked
def backward_field(model: Model, x: Shaped[Array, "*b D"]) -> Float[Array, "*b L"]:
    """Field h = w_bar (x - x_mean) + a_bar of p(z|x) (eq. 9, 11, centred as in 17)."""
    p = model.parameters
    centred = x.astype(p.w_bar.dtype) - on_last_axis(model.x_mean, x)
    h = contract(centred, p.w_bar.T)
    return h + on_last_axis(p.a_bar, h)


@checked
def forward_log_prob(
    model: Model, z: Shaped[Array, "K L"], x: Shaped[Array, "N D"]
) -> Float[Array, "N K"]:
    """ln A[z, x] = ln p(x|z) in nats, for every pair (eq. 8, 10)."""
    return bernoulli_log_prob(forward_logits(model, z), x)


@checked
def forward_log_prob_star(
    model: Model, z: Shaped[Array, "K L"], x: Shaped[Array, "N D"], q: float = 1.65
) -> Float[Array, "N K"]:
    """ln A*[z, x], the scaled products of eq. A1: D ln q nats above ln A.

    In log space the factor is not needed; it is here because the paper has it. Ratios
    A* / <A*> equal A / <A>, and ln p = ln p* - D ln q.
    """
    return forward_log_prob(model, z, x) + model.num_visible * jnp.log(q)


@checked
def backward_log_probs(model: Model, x: Shaped[Array, "*b D"]) -> Float[Array, "*b S"]:
    """ln A_bar[x, z] = ln p(z|x) in nats of every latent state (eq. 9, 11, 19)."""
    return model.latent.log_probs(backward_field(model, x))


@checked
def init_model(
    key: Key[Array, ""],
    latent: AbstractLatent,
    x: Shaped[Array, "N D"],
    dtype: DTypeLike = jnp.float32,
) -> Model:
    """A model at the start of training (App. A1), reproducing the mean of the data.

    w_bar = a_bar = 0, so latent states are uniform at first. Each latent unit b has a
    fresh random tenth of the data (at least one point, without repetition) with the
    clipped pixel means m_b; clipping to [0.001, 0.999] keeps constant pixels finite.

    - One-hot: w[:, b] = logit(m_b) and a = 0.
    - Other spaces: a = logit of the clipped mean of all data, w[:, b] = logit(m_b) - a.
      State e_b generates the subset's mean as in the one-hot case, any z a point near
      the mean of the data, and the columns differ by the fluctuations of their subsets.

    **Arguments:** typed `key`; `latent`; data `x` of zeros and ones; `dtype` of the
    model's arrays.

    **Raises:** `ValueError` when `x` has no points, or numbers other than 0 and 1 that
    are known (not traced); `TypeError` for a `dtype` that is not floating.
    """
    check_points("x", x)
    check_bits("x", x)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"dtype={jnp.dtype(dtype)}: expected a floating-point dtype")
    num_points, num_visible = x.shape
    size = max(1, num_points // 10)
    data = jnp.asarray(x, dtype)

    def clipped_logit(mean: Float[Array, " D"]) -> Float[Array, " D"]:
        return logit(jnp.clip(mean, INITIAL_CLIP, 1 - INITIAL_CLIP)).astype(dtype)

    def subset_logit(subset_key: Key[Array, ""]) -> Float[Array, " D"]:
        chosen = jax.random.choice(subset_key, num_points, (size,), replace=False)
        return clipped_logit(jnp.mean(data[chosen], axis=0))

    x_mean = jnp.mean(data, axis=0)
    w = jax.lax.map(subset_logit, jax.random.split(key, latent.num_units)).T
    if latent.absorbs_visible_bias:
        a = jnp.zeros(num_visible, dtype)
    else:
        a = clipped_logit(x_mean)
        w = w - a[:, None]
    return Model(
        Parameters(
            w=w,
            a=a,
            w_bar=jnp.zeros((latent.num_units, num_visible), dtype),
            a_bar=jnp.zeros(latent.num_units, dtype),
        ),
        x_mean,
        latent,
    )
