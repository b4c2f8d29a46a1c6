"""What every estimator of the gradient is made of (Sect. III).

    p(x) = sum_z p_bar(z) A[z, x] = sum_{x', z} p(x') A_bar[x', z] A[z, x]    (12)

The forward parameters enter through A in the first form, p_bar held fixed; the backward
ones through A_bar in the second, p(x') held fixed. Both averages need the ratios

    r[k, m] = weight_k A[z_k, x_m] / p(x_m),     g(z) = mean_m A[z, x_m] / p(x_m)

over a *support* of latent states z_k, whose weighted mixture is p(x). The data enter
through sums over m alone (`DataSums`), which add up over chunks of a mini-batch.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from .._bernoulli import responsibilities
from .._checks import check_points, checked
from .._derivatives import log_or_none
from .._linear import contract
from ..model import Model, Parameters

__all__ = ["AbstractEstimator", "DataSums", "Gradient", "Support"]


class Gradient(eqx.Module):
    """The gradient in nats per unit of each parameter, and what came with it.

    `log_likelihood` is the estimate of the batch on the fly (App. A3); `finite` is
    False once a number that the parameters depend on is not.
    """

    gradient: Parameters
    log_likelihood: Float[Array, ""]
    finite: Bool[Array, ""]


class DataSums(eqx.Module):
    """All that the gradient needs of the data, additive over the points.

    Sums over m of `x`: r[k, m] x_m; `r`: r[k, m]; `log_likelihood`: weight_m ln p(x_m).
    The weights of the data points, summing to one, are part of r.
    """

    x: Float[Array, "K D"]
    r: Float[Array, " K"]
    log_likelihood: Float[Array, ""]


class Support(eqx.Module):
    """The latent states whose mixture is p(x): `logits` of A, and their weights.

    `visit[t]` is the row of the latent state of step t, of samples that have steps.
    """

    logits: Float[Array, "K D"]
    normalisers: Float[Array, " K"]
    weights: Float[Array, " K"]
    visit: Int[Array, " T"]

    @checked
    def sums(self, x: Shaped[Array, "N D"], weights: Float[Array, " N"]) -> DataSums:
        """The sums of eq. 16 over points with `weights`; those of zero add nothing."""
        x = x.astype(weights.dtype)
        log_A = contract(self.logits, x.T) - self.normalisers[:, None]
        log_p, r = responsibilities(log_or_none(self.weights), log_A)
        r = weights[None] * r
        return DataSums(
            contract(r, x),
            jnp.sum(r, axis=1),
            jnp.sum(jnp.where(weights > 0, weights * log_p, 0)),
        )


class AbstractEstimator(eqx.Module):
    """An estimator: what it samples, the states of that sample, and its averages.

    Fields are static settings, so that an estimator is hashable and part of the
    compiled program.
    """

    @abstractmethod
    def sample(
        self, model: Model, key: Key[Array, ""], x: Shaped[Array, " D"]
    ) -> tuple[Bool[Array, " D"], Any]:
        """What the averages run over, and the new end of the persistent chain at x."""

    @abstractmethod
    def support(self, model: Model, sample: Any) -> Support:
        """The latent states of a sample with their weights."""

    @abstractmethod
    def gradient(
        self, model: Model, sample: Any, support: Support, sums: DataSums
    ) -> Gradient:
        """The gradient from a sample and the sums over the data."""

    @checked
    def estimate(
        self,
        model: Model,
        sample: Any,
        x: Shaped[Array, "N D"],
        weights: Float[Array, " N"] | None = None,
    ) -> Gradient:
        """The gradient on given data points.

        **Arguments:** `sample`, from the method of that name; data `x`; `weights` of
        the points, summing to one (default: equal).

        **Raises:** `ValueError` when `x` has no points.
        """
        check_points("x", x)
        if weights is None:
            weights = jnp.full(x.shape[0], 1 / x.shape[0], model.x_mean.dtype)
        support = self.support(model, sample)
        return self.gradient(model, sample, support, support.sums(x, weights))
