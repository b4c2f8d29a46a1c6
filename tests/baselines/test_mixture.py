from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import exact
from nelc_jax._bernoulli import bernoulli_log_prob
from nelc_jax.baselines import mixture

from .. import reference

KEY = jax.random.key(3)

fit = jax.jit(mixture.fit, static_argnums=2)
fit_restarts = jax.jit(mixture.fit_restarts, static_argnums=(1, 3, 4))
init = jax.jit(mixture.init, static_argnums=1)
log_prob = jax.jit(mixture.log_prob)
log_likelihood = jax.jit(mixture.log_likelihood)


def random_mixture(num_components, num_visible, seed=2):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(num_components, 3.0))
    logits = 2 * rng.standard_normal((num_components, num_visible))
    return mixture.BernoulliMixture(jnp.asarray(np.log(weights)), jnp.asarray(logits))


def brute_force(law, x):
    """p(x_m) and the responsibilities, by loops."""
    weights, means = np.exp(law.log_weights), reference.sigmoid(np.asarray(law.logits))
    joint = np.array(
        [
            [
                weight * np.prod(np.where(point, mean, 1 - mean))
                for weight, mean in zip(weights, means, strict=True)
            ]
            for point in np.asarray(x)
        ]
    )
    return joint.sum(1), joint / joint.sum(1, keepdims=True)


@pytest.mark.usefixtures("x64")
def test_log_prob_by_brute_force():
    law = random_mixture(3, 5)
    x = exact.visible_states(5)
    found = log_prob(law, x)
    np.testing.assert_allclose(np.exp(found), brute_force(law, x)[0], rtol=1e-12)
    np.testing.assert_allclose(np.sum(np.exp(found)), 1, rtol=1e-12)
    np.testing.assert_allclose(log_likelihood(law, x), np.mean(found))


@pytest.mark.usefixtures("x64")
def test_fit_by_brute_force(x):
    law = random_mixture(3, 6)
    after, (before,) = fit(law, x, 1)
    p, r = brute_force(law, x)
    means = r.T @ np.asarray(x) / r.sum(0)[:, None]
    np.testing.assert_allclose(before, np.mean(np.log(p)), rtol=1e-12)
    np.testing.assert_allclose(np.exp(after.log_weights), r.mean(0), rtol=1e-12)
    np.testing.assert_allclose(
        reference.sigmoid(np.asarray(after.logits)), means, rtol=1e-12
    )


@pytest.mark.usefixtures("x64")
def test_m_step_maximises(x):
    """The expected log-likelihood of (x, k) has no slope at the result, nor is higher
    elsewhere; at the start of the step it has a slope."""
    law = random_mixture(3, 6)
    after, _ = fit(law, x, 1)
    _, r = brute_force(law, x)

    @jax.jit
    @jax.value_and_grad
    def expected(law):
        log_weights = jax.nn.log_softmax(law.log_weights)
        log_joint = bernoulli_log_prob(law.logits, x) + log_weights[None]
        return jnp.sum(r * log_joint)

    def slope(law):
        return max(abs(np.asarray(g)).max() for g in jax.tree.leaves(expected(law)[1]))

    assert slope(after) < 1e-10
    assert slope(law) > 1
    for seed in range(5):
        assert expected(random_mixture(3, 6, seed))[0] < expected(after)[0]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("num_components", [2, 5])
def test_likelihood_never_falls(x, num_components):
    # A constant pixel: the bound on the means must not break the ascent.
    x = jnp.asarray(np.where(np.arange(6) == 2, True, x))
    end, history = fit(init(KEY, num_components, x), x, 300)
    steps = np.diff(np.append(history, log_likelihood(end, x)))
    assert steps.min() > -1e-13
    assert steps.max() > 0.01


@pytest.fixture(scope="module")
def restarts(x):
    return fit_restarts(KEY, 3, x, 10, 200)


def test_reaches_the_reference(x, restarts):
    laws, found = restarts
    assert found.shape == (10,)
    winner, highest = mixture.best(laws, found)
    np.testing.assert_allclose(highest, max(found))
    np.testing.assert_allclose(log_likelihood(winner, x), highest, rtol=1e-6)
    best = reference.best_mixture(np.asarray(x), 3)
    np.testing.assert_allclose(highest, best, atol=1e-4)


def test_restart_alone(x, restarts):
    """Restart 2 of ten is the one with its key, fitted alone."""
    laws, found = restarts
    start = init(jax.random.fold_in(KEY, 2), 3, x)
    alone, _ = fit(start, x, 200)
    np.testing.assert_allclose(laws.logits[2], alone.logits, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found[2], log_likelihood(alone, x), rtol=1e-5)
    assert len(np.unique(np.asarray(found).round(3))) > 1


def test_recovers_a_known_mixture():
    rng = np.random.default_rng(4)
    weights = np.array([0.5, 0.3, 0.2])
    means = np.array([[0.9] * 4 + [0.1] * 8, [0.1] * 4 + [0.9] * 8, [0.8] * 12])
    component = rng.choice(3, 8000, p=weights)
    x = jnp.asarray(rng.random((8000, 12)) < means[component])
    laws, found = fit_restarts(KEY, 3, x, 4, 60)
    law, highest = mixture.best(laws, found)
    order = np.argsort(-np.asarray(law.log_weights))
    # Of 8000 points, standard errors are at most 0.0056 of a weight and 0.01 of a mean:
    # 3.6 and 4 of them.
    np.testing.assert_allclose(np.exp(law.log_weights)[order], weights, atol=0.02)
    fitted = reference.sigmoid(np.asarray(law.logits))
    np.testing.assert_allclose(fitted[order], means, atol=0.04)
    truth = mixture.BernoulliMixture(
        jnp.asarray(np.log(weights), jnp.float32),
        jnp.asarray(np.log(means / (1 - means)), jnp.float32),
    )
    # The fit is above the truth on its own data, by about half a nat a parameter.
    excess = 8000 * (highest - log_likelihood(truth, x))
    assert 0 < excess < 3 * (36 + 2) / 2


@pytest.mark.usefixtures("x64")
def test_single_component_is_pixel_entropy(x):
    law, _ = fit(init(KEY, 1, x), x, 2)
    m = np.asarray(x).mean(axis=0)
    entropy = -np.sum(m * np.log(m) + (1 - m) * np.log(1 - m))
    np.testing.assert_allclose(log_likelihood(law, x), -entropy, rtol=1e-13)


@pytest.mark.usefixtures("x64")
def test_constant_pixels_lower_nothing(x):
    """Pixels always off or on stay finite, and cost less than the stated bound."""
    constant = np.broadcast_to([False] * 3 + [True] * 2, (300, 5))
    wide = jnp.asarray(np.concatenate([x, constant], axis=1))
    law, _ = fit(init(KEY, 1, wide), wide, 2)
    narrow, _ = fit(init(KEY, 1, x), x, 2)
    assert np.isfinite(law.logits).all()
    lost = log_likelihood(narrow, x) - log_likelihood(law, wide)
    assert 0 < lost < 5 * 1.01 * mixture.MEAN_CLIP


def test_duplicate_points():
    """One point many times, and more components than points: certain, finite."""
    point = np.array([[True, False, True]])
    for x in map(jnp.asarray, (np.repeat(point, 7, axis=0), point)):
        law, history = fit(init(KEY, 3, x), x, 10)
        chex.assert_tree_all_finite(law)
        np.testing.assert_allclose(history[-1], 0, atol=1e-5)


def test_dead_component_keeps_its_means(x):
    law = random_mixture(2, 6)
    law = mixture.BernoulliMixture(
        jnp.asarray([0.0, -jnp.inf], jnp.float32), law.logits.astype(jnp.float32)
    )
    after, _ = fit(law, x, 1)
    np.testing.assert_array_equal(after.logits[1], law.logits[1])
    assert np.isfinite(after.log_weights).all()
    assert after.log_weights[1] < -80


def test_bad_arguments(x):
    with pytest.raises(ValueError, match="num_components=0"):
        mixture.init(KEY, 0, x)
    with pytest.raises(ValueError, match="data point"):
        mixture.init(KEY, 2, jnp.zeros((0, 6), bool))


def test_composes_with_transformations(x):
    """A gradient through EM steps, mapped over keys and compiled."""

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    def slope(key, shift):
        def after(shift):
            start = mixture.init(key, 2, x)
            moved = mixture.BernoulliMixture(start.log_weights, start.logits + shift)
            return mixture.fit(moved, x, 3)[1][-1]

        return jax.grad(after)(shift)

    assert np.isfinite(slope(jax.random.split(KEY, 3), jnp.float32(0.1))).all()
