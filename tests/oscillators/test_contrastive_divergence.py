import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import ContrastiveDivergence, Quartic, Virial

from .systems import GENERATION, random_hidden_network, random_network

pytestmark = pytest.mark.usefixtures("x64")

NUM = 400


def gradients(rule, network, knots, points, share):
    """Those of many keys, the leaves that are learned."""

    @jax.jit
    @jax.vmap
    def one(key):
        m = rule.measure(network, knots, key, points, share)
        return m.gradient(network, knots, share)[0]

    found = one(jax.random.split(jax.random.key(2), NUM))
    return {
        name: np.asarray(getattr(found, name))
        for name in ("b", "k", "q", "J", "c", "A")
        if hasattr(found, name)
    }


@pytest.mark.parametrize("system", [random_network, random_hidden_network])
def test_same_mean_as_the_virial_rule(system):
    """To 5 errors and the bias; half of the gradient would not do."""
    network, parameters = system(2)
    knots = network.potential(parameters)
    points = jnp.asarray(np.random.default_rng(1).normal(size=(3, 200, 2)))
    share = jnp.full((3, 200), 0.5)
    arguments = network, knots, points, share
    steps = gradients(ContrastiveDivergence(0.002), *arguments)
    virial = gradients(Virial(), *arguments)
    told = 0
    for name, expected in virial.items():
        found = steps[name]
        error = 5 * np.sqrt((found.var(0) + expected.var(0)) / NUM) + 1e-12
        # The bias: of order fraction, times higher derivatives that may be 10 times.
        error += 0.02 * np.abs(expected.mean(0))
        assert (np.abs(found.mean(0) - expected.mean(0)) < error).all(), name
        told += (np.abs(found.mean(0) / 2 - expected.mean(0)) > error).sum()
    assert told > 3


def test_variance_is_of_order_one_over_fraction():
    """For b: -(x' - x) / (f (c kT + kT')), of variance 2 s^2 / (f (c kT + kT')^2)."""
    network, parameters = random_network(2)
    p = jax.tree.map(jnp.zeros_like, network.potential(parameters))
    assert isinstance(p, Quartic)
    points, share = jnp.zeros((3, 1, 2)), jnp.zeros((3, 1))
    s = np.asarray(GENERATION.noising.spread(network.knots[:-1]))
    for fraction in (0.1, 0.01):
        rule = ContrastiveDivergence(fraction)
        found = gradients(rule, network, p, points, share)["b"][:, :-1]
        front = float(GENERATION.score_weight)
        expected = 2 * s**2 / (fraction * front**2)
        # The drift -c kappa x adds fraction / 2 (c kappa s^2 / front)^2 of that, under
        # 5 %; a variance of 2 x 400 numbers is known to 5 %.
        ratio = found.var(axis=0).mean(axis=-1) / expected
        np.testing.assert_allclose(ratio, 1, atol=0.25)
