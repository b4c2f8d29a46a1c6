import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import (
    autocorrelation,
    autocorrelation_time,
    effective_sample_size,
)


def autoregressive(memory, size, seed=0, count=16):
    """Stationary x(t) = memory x(t - 1) + noise, rho(k) = memory^k."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, size))
    x = np.empty((count, size))
    x[:, 0] = noise[:, 0] / np.sqrt(1 - memory**2)
    for t in range(1, size):
        x[:, t] = memory * x[:, t - 1] + noise[:, t]
    return jnp.asarray(x)


def test_autocorrelation_by_hand(x64):
    series = np.random.default_rng(0).standard_normal(50)
    centred = series - series.mean()
    expected = [
        np.sum(centred[: 50 - k] * centred[k:]) / np.sum(centred**2) for k in range(50)
    ]
    found = jax.jit(autocorrelation)(jnp.asarray(series))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("memory", [-0.5, 0.0, 0.5, 0.9])
def test_autoregressive_process(memory):
    """The sum of its correlations is (1 + memory) / (1 - memory)."""
    times = jax.jit(jax.vmap(autocorrelation_time))(autoregressive(memory, 20_000))
    expected = (1 + memory) / (1 - memory)
    error = np.std(times, ddof=1) / np.sqrt(len(times))
    assert error < 0.1 * expected
    assert abs(times.mean() - expected) < 4 * error + 0.03 * expected


def test_error_of_the_mean():
    """Means of correlated series scatter as the effective sample size says."""
    series = autoregressive(0.8, 2000, seed=1, count=400)
    sizes = jax.jit(jax.vmap(effective_sample_size))(series)
    predicted = np.sqrt(np.mean(np.var(series, axis=1) / sizes))
    ratio = np.std(np.mean(series, axis=1)) / predicted
    # 400 means: 3.5 % a standard deviation.
    assert 0.85 < ratio < 1.15
    # Control: taking the values as independent, the error is a third of that.
    naive = np.sqrt(np.mean(np.var(series, axis=1) / 2000))
    assert np.std(np.mean(series, axis=1)) > 2 * naive


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e30, 1e-30])
def test_a_series_of_one_value_is_worth_no_known_number(value):
    """The mean of 1000 x 0.1 is not 0.1 in floating point."""
    series = jnp.full(1000, value)
    for function in (autocorrelation, autocorrelation_time, effective_sample_size):
        assert np.isnan(function(series)).all()
    # Control: one other value will do.
    assert np.isfinite(effective_sample_size(series.at[7].add(max(1, value))))


@pytest.mark.parametrize("scale", [1e-30, 3e38])
def test_no_scale(scale):
    """Whose squares are out of range in single precision."""
    series = jnp.sin(jnp.arange(100.0) ** 2)
    found = [effective_sample_size(s) for s in (series, scale * series)]
    # 2 log2(200) additions of a Fourier transform.
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize("bad", [jnp.inf, -jnp.inf, jnp.nan])
def test_numbers_that_are_not_finite(bad):
    series = jnp.sin(jnp.arange(1000.0)).at[5].set(bad)
    assert np.isnan(effective_sample_size(series))


def test_alternating_series():
    """Its mean is exact: n^2 at most."""
    series = jnp.asarray([1.0, -1.0] * 8)
    np.testing.assert_allclose(effective_sample_size(series), 16**2, rtol=1e-6)


def test_short_series():
    with pytest.raises(ValueError, match="at least 4"):
        autocorrelation_time(jnp.ones(3))
