import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import (
    entropy_production_rate_log,
    jackknife_bias,
    jackknife_error,
    summarize,
    summarize_batches,
)
from nelc_jax.diagnostics._averages import (
    combine_batches,
    leave_one_out,
    log_transition_batches,
)
from nelc_jax.markov import stationary_distribution

from .. import reference


def test_leave_one_out_by_hand():
    batches = jnp.log(jnp.asarray(np.random.default_rng(0).random((4, 3, 3))))
    found = jax.jit(leave_one_out)(batches)
    for k in range(4):
        rest = jnp.delete(batches, k, axis=0)
        np.testing.assert_allclose(found[k], combine_batches(rest), atol=1e-5)


def test_error_of_a_mean(x64):
    """For a mean the jackknife is the usual standard error, and without bias."""
    values = np.random.default_rng(1).standard_normal(12)
    replicates = jnp.asarray((values.sum() - values) / 11)
    np.testing.assert_allclose(
        jackknife_error(replicates), values.std(ddof=1) / np.sqrt(12), rtol=1e-12
    )
    assert abs(jackknife_bias(jnp.asarray(values.mean()), replicates)) < 1e-14


def test_bias_of_a_square(x64):
    """The bias of the squared mean, variance / n, is found whatever the sample."""
    values = np.random.default_rng(2).standard_normal(12)
    replicates = jnp.asarray(((values.sum() - values) / 11) ** 2)
    bias = jackknife_bias(jnp.asarray(values.mean() ** 2), replicates)
    np.testing.assert_allclose(bias, values.var(ddof=1) / 12, rtol=1e-9)


def test_infinite_replicates():
    error = jackknife_error({"a": jnp.asarray([1.0, jnp.inf]), "b": jnp.ones(2)})
    assert error["a"] == np.inf
    assert error["b"] == 0


@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
def test_errors_are_the_spread_of_repetitions(kind, data):
    system = reference.random_system(kind)
    model, x = reference.to_model(system), jnp.asarray(data)

    @jax.jit
    @jax.vmap
    def run(key):
        summary, replicates = summarize_batches(model, key, x, 1600, 16)
        bias = jackknife_bias(summary, replicates)
        return summary, jackknife_error(replicates), bias

    summary, error, bias = run(jax.random.split(jax.random.key(0), 60))
    M, p_bar = reference.latent_kernel(system), reference.latent_law(system)
    exact = {
        "log_likelihood": reference.log_likelihood(system, data),
        "entropy_production_rate": reference.entropy_production(M, p_bar),
        "mean_self_transition": np.trace(M) / len(M),
    }
    for name, value in exact.items():
        values = np.asarray(getattr(summary, name))
        stated = np.asarray(getattr(error, name))
        assert 0.7 < np.sqrt(np.mean(stated**2)) / values.std(ddof=1) < 1.4, name
        corrected = values - np.asarray(getattr(bias, name))
        assert abs(corrected.mean() - value) < 4 * values.std() / np.sqrt(60), name
    if kind != "sigmoid":
        return
    # Control: errors of a quarter of the samples would be twice as large.
    few = jax.jit(jax.vmap(lambda key: summarize(model, key, x, 400)))(
        jax.random.split(jax.random.key(1), 60)
    )
    spread = np.std(few.mean_self_transition, ddof=1)
    stated = np.sqrt(np.mean(error.mean_self_transition**2))
    assert spread > 1.4 * stated


def test_bad_arguments(data):
    model = reference.to_model(reference.random_system("sigmoid"))
    with pytest.raises(ValueError, match="num_batches=1"):
        summarize_batches(model, jax.random.key(0), jnp.asarray(data), 10, 1)
    with pytest.raises(ValueError, match="num_samples=0"):
        summarize_batches(model, jax.random.key(0), jnp.asarray(data), 0, 2)


def test_errors_near_equilibrium_are_too_small():
    """An RBM, w_bar = w^T: sigma is 0, and three errors miss it, always from below."""
    system = reference.random_system("softmax")
    model = reference.to_model(system.replace(w_bar=system.w.T))

    @jax.jit
    def run(keys):
        def one(key):
            batches = log_transition_batches(model, key, 768, 16)
            sigmas = jax.vmap(sigma)(leave_one_out(batches))
            value = sigma(combine_batches(batches))
            return value - jackknife_bias(value, sigmas), jackknife_error(sigmas)

        def sigma(log_M):
            return entropy_production_rate_log(
                log_M, stationary_distribution(jnp.exp(log_M))
            )

        return jax.lax.map(one, keys)

    corrected, error = run(jax.random.split(jax.random.key(0), 400))
    low, high = (np.mean(sign * corrected > 3 * error) for sign in (-1, 1))
    # Student's t of 15 degrees of freedom has 0.9 %, half of it on either side; 400
    # measurements tell a share of 5 % to 1 %.
    assert high < 0.01
    assert 0.02 < low < 0.13
