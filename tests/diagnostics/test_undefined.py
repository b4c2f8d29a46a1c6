"""A number that is not known is handed on, and never becomes a good-looking one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import diagnostics, likelihood, markov, perfect

from .. import reference

RING = np.full((4, 4), 0.1) + 0.6 * np.roll(np.eye(4), 1, axis=1)
P_BAR = np.full(4, 0.25)


def of_kernel(function):
    return lambda M, p_bar: function(M)


DIAGNOSTICS = {
    "stationary_distribution": of_kernel(markov.stationary_distribution),
    "deviation": lambda M, p_bar: markov.deviation(M, p_bar, jnp.arange(4.0)),
    "truncated_deviation": lambda M, p_bar: markov.truncated_deviation(
        M, p_bar, jnp.arange(4.0), 2
    ),
    "second_eigenvalue_modulus": of_kernel(diagnostics.second_eigenvalue_modulus),
    "relaxation_time": of_kernel(diagnostics.relaxation_time),
    "mean_self_transition": of_kernel(lambda M: diagnostics.mean_self_transition(M)),
    "currents": diagnostics.currents,
    "entropy_production_rate": diagnostics.entropy_production_rate,
    "entropy_production_rate_log": lambda M, p_bar: (
        diagnostics.entropy_production_rate_log(jnp.log(M), p_bar)
    ),
    "fundamental_cycles": lambda M, p_bar: (
        diagnostics.fundamental_cycles(jnp.log(M), p_bar).contribution
    ),
    "reversible_part": diagnostics.reversible_part,
    "integrated_time": lambda M, p_bar: diagnostics.integrated_time(
        M, p_bar, jnp.arange(4.0)
    ),
    "visible_time": lambda M, p_bar: diagnostics.visible_time(
        M, p_bar, jnp.arange(4.0), jnp.ones(4), jnp.zeros((4, 4))
    ),
    "class_kl": lambda M, p_bar: diagnostics.class_kl(M[0], p_bar),
    "jackknife_error": lambda M, p_bar: diagnostics.jackknife_error(M[:, 0]),
    "autocorrelation_time": lambda M, p_bar: diagnostics.autocorrelation_time(M[0]),
    "effective_sample_size": lambda M, p_bar: diagnostics.effective_sample_size(M[0]),
}


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_nan_is_handed_on(name):
    function = jax.jit(DIAGNOSTICS[name])
    M, p_bar = jnp.asarray(RING, jnp.float32), jnp.asarray(P_BAR, jnp.float32)
    assert np.isfinite(function(M, p_bar)).all()
    # On the diagonal and beside it: what reads no diagonal sees the second.
    spoilt = M.at[0, 0].set(jnp.nan).at[0, 1].set(jnp.nan)
    assert np.isnan(function(spoilt, p_bar)).any()


def test_an_undefined_class_has_no_share():
    share = jax.jit(diagnostics.class_distribution, static_argnums=2)
    p_bar = jnp.array([0.25, 0.75])
    np.testing.assert_allclose(share(p_bar, jnp.array([1, 0]), 2), [0.75, 0.25])
    assert np.isnan(share(p_bar, jnp.array([-1, 0]), 2)).all()
    # Of a class that the data have not, too.
    found = diagnostics.class_kl(jnp.array([1.0, 0.0]), jnp.array([1.0, jnp.nan]))
    assert np.isnan(found)


@pytest.mark.parametrize("name", ["currents", "entropy_production_rate", "class_kl"])
def test_nan_of_the_law_is_handed_on(name):
    M, p_bar = jnp.asarray(RING, jnp.float32), jnp.asarray(P_BAR, jnp.float32)
    found = jax.jit(DIAGNOSTICS[name])(M, p_bar.at[2].set(jnp.nan))
    assert np.isnan(found).any()


def test_a_number_of_pairs_is_undefined_where_a_flux_is():
    M, p_bar = jnp.asarray(RING, jnp.float32), jnp.asarray(P_BAR, jnp.float32)
    pairs = jax.jit(diagnostics.one_way_pairs)
    assert pairs(M.at[0, 1].set(0), p_bar) == 1
    assert pairs(M.at[0, 1].set(0).at[3, 2].set(jnp.nan), p_bar) == -1


@pytest.mark.parametrize("array", ["w", "w_bar", "a_bar"])
def test_a_model_that_diverged_has_no_entropy_production(array):
    model = reference.to_model(reference.random_system("sigmoid"))
    x = jnp.zeros((4, 5), bool).at[:, 0].set(True)

    @jax.jit
    def measured(model):
        return diagnostics.summarize(model, jax.random.key(0), x, 64)

    assert measured(model).entropy_production_rate > 0
    found = measured(spoilt(model, array))
    for name in ("log_likelihood", "entropy_production_rate", "relaxation_time"):
        assert np.isnan(getattr(found, name)), name


def spoilt(model, array):
    parameters = jax.tree.map(jnp.asarray, vars(model.parameters))
    parameters[array] = parameters[array].at[..., 0].set(jnp.nan)
    parameters = type(model.parameters)(**parameters)
    return type(model)(parameters, model.x_mean, model.latent)


def test_draws_do_not_hide_that_a_model_diverged():
    model = reference.to_model(reference.random_system("sigmoid"))
    x = jnp.zeros((4, 5), bool).at[:, 0].set(True)

    @jax.jit
    def drawn(model):
        key = jax.random.key(0)
        pairs = diagnostics.count_transitions(model, key, x[0], 64).pairs
        kernel, p_bar = diagnostics.kernel_from_counts(pairs)
        log_p = likelihood.chain_log_prob(model, key, x[0], 64, x)
        force = diagnostics.force_times_flux(model, key, x[0], 64)
        numbers = (kernel, p_bar, log_p, force.value, force.error)
        return numbers, perfect.perfect_sample(model, key, 3, 64)

    numbers, samples = drawn(model)
    assert all(np.isfinite(array).all() for array in numbers)
    assert samples.coalesced.all()
    for array in ("w", "a", "w_bar", "a_bar"):
        numbers, samples = drawn(spoilt(model, array))
        assert all(np.isnan(array).all() for array in numbers), array
        assert not samples.coalesced.any()
        assert (samples.index == -1).all()
        assert (samples.steps == 64).all()


def test_states_of_a_model_that_diverged_have_no_class():
    model = reference.to_model(reference.random_system("sigmoid"))
    x = jnp.asarray([[1, 0, 0, 0, 0], [0, 0, 1, 1, 1]], bool)
    of_states = jax.jit(diagnostics.latent_classes, static_argnums=3)
    labels = jnp.arange(2)
    assert (of_states(model, x, labels, 2) >= 0).all()
    assert (of_states(spoilt(model, "w"), x, labels, 2) == -1).all()
