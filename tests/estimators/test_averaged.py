"""Gradients averaged over all latent states, against autodiff through the law."""

import dataclasses
import itertools

import chex
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import AveragedGradient, Binary, exact

from .. import reference

HORIZONS = (1, 2, 4, 12, None)
EVERY_X = jnp.asarray(reference.bit_rows(5), bool)


def estimator(horizon, score="exact", draws=16):
    return AveragedGradient(draws, horizon, score)


def flat(gradient):
    return jax.flatten_util.ravel_pytree(gradient)[0]


@jax.jit
def by_autodiff(model, x):
    """The gradients of likelihoods whose law K double steps before is held fixed."""
    law = exact.visible_distribution(model)

    def gradient(K):
        def likelihood(parameters):
            changed = dataclasses.replace(model, parameters=parameters)
            if K is None:
                return exact.log_likelihood(changed, x)
            return exact.horizon_log_likelihood(changed, law, x, K)

        found = jax.grad(likelihood)(model.parameters)
        if model.latent.absorbs_visible_bias:
            found = dataclasses.replace(found, a=jnp.zeros_like(found.a))
        return flat(found)

    return [gradient(K) for K in HORIZONS]


@jax.jit
def enumerated(model, law):
    """The averaged estimator with all visible states for draws, on data of a law.

    The exact score with all K, and the paper's for the two-step rule.
    """
    draws = exact.draws(model)

    def gradient(K, score):
        return flat(estimator(K, score).estimate(model, draws, EVERY_X, law).gradient)

    return [gradient(K, "exact") for K in HORIZONS], gradient(1, "paper")


def law_of(data):
    """The empirical law of data points over all visible states."""
    return jnp.asarray(reference.histogram(reference.codes(data), 32) / len(data))


def test_equals_autodiff(x64, system, data):
    """Through the stationary vector for the whole past; K = 1 is the two-step rule."""
    model = reference.to_model(system)
    expected = by_autodiff(model, jnp.asarray(data))
    found, paper = enumerated(model, law_of(data))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    for one, score in ((found[0], "exact"), (paper, "paper")):
        two_step = reference.flat(reference.two_step_gradient(system, data, score))
        np.testing.assert_allclose(one, two_step, atol=1e-12)
    # Control: a step more or less is seen.
    for shorter, longer in itertools.pairwise(expected[:3]):
        assert np.abs(shorter - longer).max() > 1e-5
    assert np.abs(expected[2] - expected[-1]).max() > 1e-5


def test_converges_at_the_rate_of_the_chain(x64, system, data):
    """K -> infinity: the distance shrinks by |lambda_2| a step."""
    (_, two, _, twelve, last), _ = enumerated(reference.to_model(system), law_of(data))
    early, late = (np.linalg.norm(each - last) for each in (two, twelve))
    moduli = np.sort(np.abs(np.linalg.eigvals(reference.latent_kernel(system))))
    assert (late / early) ** (1 / 10) == pytest.approx(moduli[-2], rel=0.1)


def test_every_horizon_has_the_maxima_of_the_likelihood(x64, system):
    """Data with the law of the model: g = 1, and nothing is left for any past.

    Whatever the currents of the chain. The literal score, whose mean is not zero, still
    pulls.
    """
    model = reference.to_model(system)
    law = exact.visible_distribution(model)
    found, paper = enumerated(model, law)
    np.testing.assert_allclose(found, np.zeros_like(found), atol=1e-12)
    if system.kind != "binary":
        assert np.abs(paper).max() > 1e-2
    # Control: data of another law.
    other, _ = enumerated(model, jnp.roll(law, 1))
    assert np.abs(other[0]).max() > 1e-2


@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
def test_sampled_version_is_unbiased(x64, kind, data):
    """Means of many estimates tend to the exact gradient, errors as 1 / sqrt(n)."""
    system = reference.random_system(kind)
    model, x = reference.to_model(system), jnp.asarray(data)
    sizes, repeats = (64, 1024), 64

    def estimates(n):
        def one(key):
            _, draws = estimator(None, draws=n).sample(model, key, x[0])
            found = [estimator(K).estimate(model, draws, x) for K in (2, None)]
            return jnp.stack([flat(each.gradient) for each in found])

        return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(n), repeats))

    found = [np.asarray(estimates(n)) for n in sizes]
    one, two, *_, every = map(np.asarray, enumerated(model, law_of(data))[0])
    for i, expected in enumerate((two, every)):
        errors = [np.sqrt(np.mean((f[:, i] - expected) ** 2)) for f in found]
        assert abs(reference.log_log_slope(sizes, errors) + 0.5) < 0.1
        spread = found[1][:, i].std(0, ddof=1) / np.sqrt(repeats)
        free = spread > 0
        score = np.abs(found[1][:, i].mean(0) - expected)[free] / spread[free]
        # The bias of the ratios, of order 1 / n, is a tenth of the standard error.
        assert score.max() < 4.5
        other = np.abs(found[1][:, i].mean(0) - one)[free] / spread[free]
        assert other.max() > 4.5


def test_draws_are_the_candidates_of_the_chain(system):
    model = reference.to_model(system)
    x = jnp.array([True, False, True, False, False])
    sample = jax.jit(estimator(None, draws=4096).sample)
    x_end, draws = sample(model, jax.random.key(0), x)
    # There is no chain.
    np.testing.assert_array_equal(x_end, x)
    mean = np.mean(draws.x, axis=0)
    exact_mean = reference.forward_matrix(system) @ reference.bit_rows(5)
    assert np.abs(mean - exact_mean).max() < 4.5 * 0.5 / np.sqrt(4096)
    np.testing.assert_allclose(draws.kernel.sum(1), 1, rtol=1e-5)
    M = reference.latent_kernel(system)
    assert np.abs(draws.kernel - M).max() < 4.5 * 0.5 / np.sqrt(4096)


def test_extreme_parameters_stay_finite(data):
    """A deterministic kernel, and a state that is never left."""
    system = reference.random_system("sigmoid")
    large = system.replace(w=1e3 * system.w, w_bar=1e3 * system.w_bar)
    stuck = system.replace(a_bar=np.array([80.0, -80.0, -80.0]))
    averaged = estimator(None, draws=8)

    @jax.jit
    def run(model, x):
        _, draws = averaged.sample(model, jax.random.key(0), x[0])
        return averaged.estimate(model, draws, x)

    for case in (large, stuck):
        found = run(reference.to_model(case), jnp.asarray(data))
        assert found.finite
        chex.assert_tree_all_finite(found.gradient)
    broken = reference.to_model(system.replace(w_bar=np.nan * system.w_bar))
    assert not run(broken, jnp.asarray(data)).finite


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"draws": 0}, "draws=0"),
        ({"horizon": 0}, "horizon=0: expected at least 1"),
        ({"score": "other"}, "score='other'"),
    ],
    ids=str,
)
def test_bad_settings(unchecked, settings, message):
    with pytest.raises(ValueError, match=message):
        AveragedGradient(**settings)


def test_needs_an_enumerable_latent_space(data):
    model = reference.to_model(reference.random_system("softmax"))
    large = dataclasses.replace(model, latent=Binary(20))
    with pytest.raises(ValueError, match="can be enumerated"):
        AveragedGradient().sample(large, jax.random.key(0), jnp.asarray(data[0]))
