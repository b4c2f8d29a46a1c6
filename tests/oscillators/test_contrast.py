import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nelc_jax.oscillators import ForceMatching, HeldContrast, Learner, QuarticWell

from .systems import GENERATION, random_hidden_network, random_network

pytestmark = pytest.mark.usefixtures("x64")

SYSTEMS = {
    "quartic": random_network,
    "hidden": random_hidden_network,
    "wells": lambda num: random_hidden_network(num, element=QuarticWell()),
}


@pytest.fixture(params=SYSTEMS)
def system(request):
    """A network and its potentials, positions, errors and shares."""
    network, parameters = SYSTEMS[request.param](4)
    rng = np.random.default_rng(0)
    x, error = rng.normal(size=(2, 3, 8, 4))
    share = jnp.asarray(rng.uniform(size=(3, 8)))
    # As in training, where e is s times a number of order one.
    knots = jax.jit(type(network).potential)(network, parameters)
    return knots, jnp.asarray(x), jnp.asarray(0.2 * error), share


def distance(found, expected):
    """The largest difference in units of the largest entry, over all parameters."""
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    ratios = [np.abs(a - b).max() / max(np.abs(b).max(), 1e-300) for a, b in pairs]
    return max(ratios)


def test_contrast_is_the_gradient_to_second_order(system):
    """Of what autodiff of the forces gives, as beta shrinks."""
    knots, x, error, share = system

    def along(knots):
        return jnp.sum(error * knots.forces_between(share, x)) / x.shape[1]

    @jax.jit
    def both(knots, betas):
        def contrast(beta):
            return knots.knot_contrast(x, error, share, beta)

        return jax.grad(along)(knots), jax.vmap(contrast)(betas)

    betas = [0.1, 0.05, 1e-4]
    expected, contrasts = jax.tree.map(np.asarray, both(knots, np.array(betas)))
    if hasattr(knots, "temperature"):
        expected = eqx.tree_at(
            lambda k: k.temperature, expected, replace_fn=np.zeros_like
        )

    def bias(beta):
        contrast = jax.tree.map(lambda a: a[betas.index(beta)], contrasts)
        return distance(contrast, expected)

    wide, narrow = bias(0.1), bias(0.05)
    assert 1e-5 < wide < 0.05
    # The next order is less than wide itself, 5 %.
    assert 3.8 < wide / narrow < 4.2
    # The bias is 1e-6 of that at 0.1, rounding 1e-16 / 1e-4 of readings 1e2 as large.
    assert bias(1e-4) < 1.1e-6 * wide + 1e-10
    assert bias(1e-4) < 1e-8


def test_bias_of_a_quartic_constant():
    """-beta^2 / 4 <x e^3>, and none for b, k and J, where differences are exact."""
    network, parameters = random_network(4)
    x, error = np.random.default_rng(1).normal(size=(2, 3, 8, 4))
    share = np.full((3, 8), 0.5)
    beta = 0.3

    @jax.jit
    def both(x, error, share):
        knots = network.potential(parameters)
        exact = knots.knot_gradient(x, error, share)
        return exact, knots.knot_contrast(x, error, share, beta)

    exact, contrast = both(x, error, share)
    for name in ("b", "k", "J"):
        np.testing.assert_allclose(
            getattr(contrast, name), getattr(exact, name), rtol=1e-10, atol=1e-12
        )
    each = -(beta**2) / 4 * (x * error**3).mean(axis=1) / 2
    expected = np.zeros((4, 4))
    expected[:-1] += each
    expected[1:] += each
    np.testing.assert_allclose(contrast.q - exact.q, expected, rtol=1e-9)


def test_a_step_by_holds_is_one_by_the_gradient():
    """Through the learner; beta counts in units of c kT + kT'."""
    network, parameters = random_hidden_network(4)
    x = np.random.default_rng(2).normal(size=(20, 4))
    points, share = x[:18].reshape(3, 6, 4), np.full((3, 6), 0.4)
    rule = HeldContrast(beta=0.2)

    @jax.jit
    def both(key, points, share):
        knots = network.potential(parameters)
        held, loss = rule.measure(network, knots, key, points, share).gradient(
            network, knots, share
        )
        own = jax.random.split(key)[0]
        m = ForceMatching().measure(network, knots, own, points, share)
        error, expected_loss = m.weighted_error(network, share)
        beta = 0.2 * GENERATION.score_weight
        expected = knots.knot_contrast(m.x, error, share, beta)
        return (held, loss), (expected, expected_loss)

    chex.assert_trees_all_close(*both(jax.random.key(0), points, share), rtol=1e-12)
    learner = Learner(network, rule, optax.sgd(0.1), batch=4)
    state, loss = jax.jit(lambda key, x: learner.step(learner.init(key, x), x))(
        jax.random.key(1), x
    )
    assert np.isfinite(loss)
    assert state.step == 1


def test_noise_of_random_states():
    """Unbiased, with the variance 2 x^2 (1 - m^2) / (flips beta^2) of a spring.

    One sample a hold, four flips, a thousand keys.
    """
    network, parameters = random_hidden_network(4)
    rng = np.random.default_rng(3)
    x, error = rng.normal(size=(2, 3, 1, 4))
    share = np.zeros((3, 1))
    beta, num = 0.05, 1000

    @jax.jit
    def draws(keys, x, error, share):
        knots = network.potential(parameters)

        def one(key):
            return knots.knot_contrast(x, error, share, beta, key, 4).A

        u = jax.vmap(lambda knot, at: knot.field(at) / knot.temperature)(
            jax.tree.map(lambda array: array[:-1], knots), x[:, 0]
        )
        # At share 0 everything counts for the first knot of its interval.
        mean = knots.knot_contrast(x, error, share, beta).A[:-1]
        return jax.vmap(one)(keys)[:, :-1], mean, u

    keys = jax.random.split(jax.random.key(4), num)
    found, mean, u = map(np.asarray, draws(keys, x, error, share))
    free = 1 - np.tanh(u) ** 2
    variance = 2 * x[:, 0][:, None] ** 2 * free[..., None] / (4 * beta**2)
    # Of elements that all but never flip nothing is learned from a thousand draws.
    flipping = np.broadcast_to(free[..., None] > 0.05, variance.shape)
    deviation = np.abs(found.mean(axis=0) - mean) / np.sqrt(variance / num)
    assert flipping.sum() > 5
    assert deviation[flipping].max() < 5
    # The variance is known to sqrt(2 / 1000) for normal numbers, and these are nearer
    # to 0 than that; beta moves the levels by 5 %.
    ratio = found.var(axis=0).sum() / variance.sum()
    assert abs(ratio - 1) < 0.15


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"beta=0\.0: expected a positive number"):
        HeldContrast(beta=0.0)
    with pytest.raises(ValueError, match="flips=0: expected at least 1 state"):
        HeldContrast(flips=0)
