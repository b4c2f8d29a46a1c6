"""How many independent samples a correlated series is worth.

The integrated autocorrelation time t = 1 + 2 sum_{k >= 1} rho(k) of a stationary series
widens the error of its mean to sqrt(t variance / n). The sum is cut where the estimate
drowns in noise: by the initial monotone sequence of Geyer (Stat. Sci. 7, 473 (1992)),
sums of pairs of neighbouring rho kept while positive and made non-increasing, as in
Stan and ArviZ. Exact for reversible chains; for driven ones, whose rho may oscillate,
the pairs still cancel oscillations of period two only, and t is an estimate.

A series of one value has no t: a chain that never left its state and independent draws
of a quantity without variance look alike, and rho is 0 / 0. It is nan.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_count, checked
from .._linear import at_least_single

__all__ = ["autocorrelation", "autocorrelation_time", "effective_sample_size"]


@checked
def autocorrelation(series: Float[Array, " n"]) -> Float[Array, " n"]:
    """rho(k) for k = 0 .. n - 1, by Fourier transform of the centred series.

    Normalised by n (not n - k), which keeps the estimate a positive form. All nan for a
    series of one value, and for one with a number that is not finite.

    **Raises:** `ValueError` for an empty series.
    """
    n = series.shape[0]
    check_count("len(series)", n, 1, "value")
    # There is no Fourier transform of halves.
    dtype, series = series.dtype, at_least_single(series)
    # rho knows no scale and no origin; sums and squares of the numbers as they come
    # overflow or underflow, and leave a constant series with a variance of rounding.
    # (By the root, twice: one over the largest number is too small a number.)
    root = jax.lax.stop_gradient(jnp.sqrt(jnp.max(jnp.abs(series))))
    root = jnp.where(root == 0, 1, root)
    shifted = series / root / root
    shifted = shifted - shifted[0]
    centred = shifted - jnp.mean(shifted)
    # Twice the length, so that the ends do not wrap around.
    spectrum = jnp.fft.rfft(centred, 2 * n)
    covariance = jnp.fft.irfft((spectrum * jnp.conj(spectrum)).real, 2 * n)[:n]
    known = covariance[0] > 0
    rho = covariance / jnp.where(known, covariance[0], 1)
    return jnp.where(known, rho.at[0].set(1), jnp.nan).astype(dtype)


@checked
def autocorrelation_time(series: Float[Array, " n"]) -> Float[Array, ""]:
    """Integrated autocorrelation time in steps of the series, at least 1 / n.

    Below one for a series that alternates; nan for a series of one value, whose
    correlations are not defined, and for one with a number that is not finite.
    **Raises:** `ValueError` for n < 4.
    """
    n = series.shape[0]
    check_count("len(series)", n, 4, "values")
    rho = autocorrelation(series)
    pairs = jnp.sum(rho[: n // 2 * 2].reshape(-1, 2), axis=-1)
    positive = jnp.cumprod(pairs > 0)
    monotone = jax.lax.cummin(jnp.where(positive > 0, pairs, 0))
    time = jnp.maximum(2 * jnp.sum(monotone) - 1, 1 / n)
    # A comparison with nan ends the sum as a negative pair does.
    return jnp.where(jnp.isnan(rho[0]), jnp.nan, time)


@checked
def effective_sample_size(series: Float[Array, " n"]) -> Float[Array, ""]:
    """n / t, the number of independent samples with the same error of the mean.

    At most n^2, of a series that alternates; nan where t is: a series of one value may
    be worth one sample or n.
    """
    return series.shape[0] / autocorrelation_time(series)
