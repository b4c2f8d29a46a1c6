import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import AveragedGradient, Binary, OneHot, exact
from nelc_jax import model as nm
from nelc_jax._linear import contract

from . import reference

EVERY_X = reference.bit_rows(5)


@pytest.fixture
def model(x64, system):
    return reference.to_model(system)


def test_forward_logits(model, system):
    z = reference.latent_states(system)
    expected = [system.w @ row + system.a for row in z]
    for states in (jnp.asarray(z), jnp.asarray(z, bool)):
        found = nm.forward_logits(model, states)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(nm.forward_logits(model, states[1]), expected[1])


def test_backward_field(model, system):
    expected = [reference.field(system, x) for x in EVERY_X]
    for x in (jnp.asarray(EVERY_X), jnp.asarray(EVERY_X, bool)):
        found = nm.backward_field(model, x)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(nm.backward_field(model, x[3]), expected[3])


def test_log_probs(model, system):
    z = jnp.asarray(reference.latent_states(system), bool)
    x = jnp.asarray(EVERY_X, bool)
    found = nm.forward_log_prob(model, z, x)
    expected = np.log(reference.forward_matrix(system)).T
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    found = nm.backward_log_probs(model, x)
    np.testing.assert_allclose(found, np.log(reference.backward_matrix(system)))


def test_scaled_forward_log_prob(model, system):
    """A1: the same ratios, and the likelihood after the correction -D ln Q."""
    q = 1.7
    z = jnp.asarray(reference.latent_states(system), bool)
    found = nm.forward_log_prob_star(model, z, jnp.asarray(EVERY_X), q)
    A_star = np.exp(found).T
    # The product of the factors of each pixel, each times Q.
    for row, logits in zip(A_star, nm.forward_logits(model, z), strict=True):
        on = reference.sigmoid(np.asarray(logits))
        factors = np.where(EVERY_X, on, 1 - on) * q
        np.testing.assert_allclose(row, factors.prod(-1), rtol=1e-12)

    p_bar, A = reference.latent_law(system), reference.forward_matrix(system)
    np.testing.assert_allclose(A_star / (p_bar @ A_star), A / (p_bar @ A), rtol=1e-12)
    log_p = np.log(p_bar @ A_star) - 5 * np.log(q)
    np.testing.assert_allclose(log_p, np.log(p_bar @ A), rtol=1e-12)


def test_full_precision_of_contract():
    """Products of bits and weights keep all digits of single precision."""
    rng = np.random.default_rng(0)
    left, right = rng.random((3, 784)) < 0.5, rng.standard_normal((784, 2))
    left, right = left.astype(np.float32), right.astype(np.float32)
    expected = left.astype(float) @ right.astype(float)
    found = contract(jnp.asarray(left), jnp.asarray(right))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_every_product_asks_for_full_precision(model, system):
    """Also where a CPU would give it unasked: accelerators would not."""
    z, x = jnp.asarray(reference.latent_states(system)), jnp.asarray(EVERY_X)

    estimator = AveragedGradient(draws=2)

    def all_products(model):
        _, draws = estimator.sample(model, jax.random.key(0), x[0])
        return (
            nm.forward_log_prob(model, z, x),
            nm.backward_log_probs(model, x),
            estimator.estimate(model, draws, x).gradient,
            exact.horizon_log_likelihood(
                model, exact.visible_distribution(model), x, 3
            ),
        )

    lines = jax.jit(all_products).lower(model).as_text().splitlines()
    products = [line for line in lines if "dot_general" in line]
    assert len(products) >= 12
    assert all("[HIGHEST, HIGHEST]" in line for line in products)


@pytest.fixture
def own_pixels():
    """Forty points with a pixel of their own each, then two constant pixels."""
    constant = np.tile([0, 1], (40, 1))
    return np.concatenate([np.eye(40), constant], axis=1).astype(bool)


CLIPPED = np.log(0.001 / 0.999)


def chosen(own_pixels, w):
    """The points in each unit's subset, from the pixels that are not clipped."""
    return [set(np.flatnonzero(column[:40] > CLIPPED + 1)) for column in w.T]


def test_init_one_hot(own_pixels):
    model = nm.init_model(jax.random.key(0), OneHot(3), jnp.asarray(own_pixels))
    p = model.parameters
    np.testing.assert_array_equal(model.x_mean, own_pixels.mean(0).astype(np.float32))
    for zero in (p.a, p.w_bar, p.a_bar):
        assert not zero.any()
    assert p.w_bar.shape == (3, 42)

    # N // 10 = 4 distinct points a unit, each pixel at the logit of 1/4 or clipped.
    subsets = chosen(own_pixels, p.w)
    assert [len(s) for s in subsets] == [4] * 3
    assert subsets[0] != subsets[1] != subsets[2] != subsets[0]
    for column, subset in zip(np.asarray(p.w).T, subsets, strict=True):
        expected = np.full(42, CLIPPED)
        expected[list(subset)] = np.log((1 / 4) / (3 / 4))
        expected[41] = -CLIPPED
        np.testing.assert_allclose(column, expected, rtol=1e-4)


def test_init_binary(own_pixels):
    model = nm.init_model(jax.random.key(0), Binary(3), jnp.asarray(own_pixels))
    p = model.parameters
    mean = np.clip(own_pixels.mean(0), 0.001, 0.999)
    np.testing.assert_allclose(p.a, np.log(mean / (1 - mean)), rtol=1e-4)
    assert not p.w_bar.any()
    assert not p.a_bar.any()
    # A single active unit generates the mean of its subset, as a one-hot state does.
    one_hot = nm.init_model(jax.random.key(0), OneHot(3), jnp.asarray(own_pixels))
    # A difference and a sum of numbers below 14.
    tolerance = 2 * 14 * np.finfo(np.float32).eps
    found = p.w + np.asarray(p.a)[:, None]
    np.testing.assert_allclose(found, one_hot.parameters.w, atol=tolerance)


def test_init_draws_fresh_subsets(own_pixels):
    """Members and units differ; over many keys every point is equally likely."""
    x = jnp.asarray(own_pixels)

    def w(key):
        return nm.init_model(key, OneHot(2), x).parameters.w

    keys = jax.random.split(jax.random.key(0), 300)
    found = np.asarray(jax.jit(jax.vmap(w))(keys))
    subsets = [tuple(sorted(s)) for member in found for s in chosen(own_pixels, member)]
    # 600 subsets of 4 out of 40: two equal ones have probability 0.86 in 1 pair of
    # 91390, about two expected among all pairs.
    assert len(set(subsets)) > 590
    counts = reference.histogram(np.concatenate(subsets), 40)
    # Sixty expected for each point; five binomial standard deviations.
    assert (abs(counts - 60) < 5 * np.sqrt(60 * 0.9)).all()


@pytest.mark.parametrize("num_points", [7, 29])
def test_init_subset_size(x64, num_points):
    """n = N // 10, at least 1: the means are multiples of 1 / n."""
    x = np.random.default_rng(0).random((num_points, 42)) < 0.5
    model = nm.init_model(jax.random.key(1), OneHot(4), jnp.asarray(x), jnp.float64)
    assert {leaf.dtype for leaf in jax.tree.leaves(model)} == {jnp.dtype(jnp.float64)}
    n = max(1, num_points // 10)
    mean = n * reference.sigmoid(np.asarray(model.parameters.w))
    # Means of 0 and 1 are clipped by 1e-3.
    np.testing.assert_allclose(mean, np.round(mean), atol=1.01e-3 * n)


def test_init_without_data():
    with pytest.raises(ValueError, match="data point"):
        nm.init_model(jax.random.key(0), OneHot(2), jnp.zeros((0, 5)))
