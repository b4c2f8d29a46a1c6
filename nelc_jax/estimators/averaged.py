"""Gradients of ln p(x) through the last K double steps of the chain, up to all of them.

With p*(x') the law of x held fixed, K double steps before the last (docs/gradient.md),

    p(x) = sum_{x'} p*(x') [A_bar M^(K-1) A](x', x)

is eq. 12 for K = 1 and the likelihood itself for K -> infinity. With the excess of the
future, v_K = sum_{k < K} M^k (g - 1), its derivative is that of the two-step rule with
v_K in place of g in the backward gradient, and one more forward term,

    p_bar(z) E_{x ~ A_z}[(x - mu_z) sum_k A_bar[x, k] v_{K-1}(k)].

The averages run over draws of x from *every* latent state, which can be enumerated;
`trajectory` has the same along a trajectory, for large latent spaces.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Shaped

from .. import _parallel
from .._bernoulli import bernoulli_normaliser
from .._checks import check_count, check_settings, checked
from .._linear import contract, on_last_axis, sum_products
from ..latent.base import Score
from ..markov import deviation, stationary_distribution, truncated_deviation
from ..model import (
    Model,
    Parameters,
    state_logits,
)
from ._moments import check_horizon, visible_bias
from .base import AbstractEstimator, DataSums, Gradient, Support

__all__ = ["AveragedGradient", "Draws"]


class Draws(eqx.Module):
    """Draws x ~ A_z of every latent state z with their weights, and p(z'|x) of each.

    `kernel` is the weighted mean of A_bar (eq. 3), `occupancy` its stationary law.
    """

    x: Bool[Array, "n S D"]
    weights: Float[Array, "n S"]
    h: Float[Array, "n S L"]
    A_bar: Float[Array, "n S S"]
    kernel: Float[Array, "S S"]
    occupancy: Float[Array, " S"]

    @staticmethod
    @checked
    def weighted(
        model: Model,
        x: Shaped[Array, "n S D"],
        weights: Float[Array, "n S"],
        h: Float[Array, "n S L"],
    ) -> "Draws":
        """Any points, as all visible states weighted with A for exact averages.

        **Arguments:** `x`; `weights`, those of each latent state summing to one; `h`,
        the `backward_field` of the points.
        """
        A_bar = jnp.exp(model.latent.log_probs(h))
        kernel = jnp.sum(weights[..., None] * A_bar, axis=0)
        law = stationary_distribution(kernel)
        return Draws(x.astype(bool), weights, h, A_bar, kernel, law)


class AveragedGradient(AbstractEstimator):
    """The gradient of ln p(x) over the last K double steps, averaged over all states.

    Every latent state takes part, with its weight p_bar from M, also one that a chain
    has not visited; there is no chain. With the literal score, whose mean is not zero,
    g is kept where the exact one allows g - 1: 1 + v_K in place of v_K, so that K = 1
    is eq. 16c-d. The bias is of order 1 / n.

    **Arguments:** `draws`, n, of every latent state (they share the random numbers of a
    draw, so that their cost hardly grows with S); `horizon`, K, the double steps that
    the gradient goes back, None for all of them; `score`, the reading of z - mu.

    **Raises:** `ValueError` for an unknown score or numbers below 1; when it is used,
    for a latent space that is not enumerable.
    """

    draws: int = eqx.field(static=True, default=16)
    horizon: int | None = eqx.field(static=True, default=None)
    score: Score = eqx.field(static=True, default="exact")

    def __check_init__(self):
        check_settings(self)
        check_count("draws", self.draws, 1, "draw")
        check_horizon(self.horizon)

    @checked
    def sample(
        self, model: Model, key: Key[Array, ""], x: Shaped[Array, " D"]
    ) -> tuple[Bool[Array, " D"], Draws]:
        """The candidates of the parallel chain with equal weights; x stays."""
        drawn, h = _parallel.candidates(model, key, self.draws)
        weights = jnp.full(drawn.shape[:2], 1 / self.draws, model.x_mean.dtype)
        return x.astype(bool), Draws.weighted(model, drawn, weights, h)

    @checked
    def support(self, model: Model, sample: Draws) -> Support:
        """All latent states with their weights p_bar."""
        logits = state_logits(model)
        states = jnp.arange(model.latent.num_states)
        return Support(logits, bernoulli_normaliser(logits), sample.occupancy, states)

    @checked
    def gradient(
        self, model: Model, sample: Draws, support: Support, sums: DataSums
    ) -> Gradient:
        """The two-step rule with v_K in place of g, and its further forward term."""
        latent, p_bar = model.latent, sample.occupancy
        dtype = model.x_mean.dtype
        g = sums.r / jnp.maximum(p_bar, jnp.finfo(dtype).tiny)
        v, v_forward = self._excess(sample, g)

        # Of eq. 17 and 16d, with z averaged as well, sum_z A_bar[x, z] v(z) score(x,
        # z); of the forward steps before the last, sum_z A_bar[x, z] v(z).
        shape = (*sample.A_bar.shape, latent.num_units)
        scores = latent.score(
            jnp.broadcast_to(sample.h[:, :, None], shape),
            jnp.broadcast_to(latent.states(), shape),
            self.score,
        )
        factor = sample.A_bar * on_last_axis(v, sample.A_bar)
        backward = sum_products("nsk,nskl->nsl", factor, scores)
        past = contract(sample.A_bar, v_forward)
        coefficients = jnp.concatenate([past[..., None], backward], axis=-1)
        coefficients = coefficients * (sample.weights * p_bar[None])[..., None]
        # One product for both: the draws are many, and are read once.
        totals = jnp.sum(coefficients, axis=0)
        drawn = sample.x.astype(dtype)
        products = sum_products("nsc,nsd->scd", coefficients, drawn)

        mu = jax.nn.sigmoid(support.logits)
        residual = sums.r + totals[:, 0]
        moments = sums.x + products[:, 0] - residual[:, None] * mu
        a_bar = jnp.sum(totals[:, 1:], axis=0)
        w_bar = jnp.sum(products[:, 1:], axis=0) - a_bar[:, None] * model.x_mean[None]
        return Gradient(
            Parameters(
                w=latent.sum_states(moments).T,
                a=visible_bias(latent, jnp.sum(moments, axis=0)),
                w_bar=w_bar,
                a_bar=a_bar,
            ),
            sums.log_likelihood,
            jnp.isfinite(sums.log_likelihood) & jnp.all(jnp.isfinite(v)),
        )

    def _excess(
        self, sample: Draws, g: Float[Array, " S"]
    ) -> tuple[Float[Array, " S"], Float[Array, " S"]]:
        """v_K of the backward gradient and v_{K-1} of the forward one."""
        M, p_bar = sample.kernel, sample.occupancy
        if self.horizon is None:
            v = v_forward = deviation(M, p_bar, g)
        else:
            v = truncated_deviation(M, p_bar, g, self.horizon)
            v_forward = truncated_deviation(M, p_bar, g, self.horizon - 1)
        return v + 1 if self.score == "paper" else v, v_forward
