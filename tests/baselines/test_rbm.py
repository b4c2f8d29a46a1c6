import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary, OneHot, chain, exact
from nelc_jax.baselines import mixture, rbm
from nelc_jax.diagnostics import entropy_production_rate

from .. import reference
from .rbms import random_rbm

pytestmark = pytest.mark.usefixtures("x64")


X = jnp.asarray(reference.bit_rows(5), bool)
"""All visible states."""

forward_matrix = jax.jit(exact.forward_matrix)
backward_matrix = jax.jit(exact.backward_matrix)
latent_moments = jax.jit(rbm.latent_moments)


def joint_weight(system):
    """exp((x - x_mean)^T w z + a^T x + a_bar^T z) of every pair, by loops."""
    visible, states = reference.bit_rows(len(system.a)), reference.latent_states(system)
    weight = np.zeros((len(visible), len(states)))
    for (i, x), (k, z) in itertools.product(enumerate(visible), enumerate(states)):
        exponent = (x - system.x_mean) @ system.w @ z + system.a @ x + system.a_bar @ z
        weight[i, k] = np.exp(exponent)
    return weight


def test_law_by_brute_force(space):
    system, machine = space
    weight = joint_weight(system)

    @jax.jit
    def law(machine):
        return (
            rbm.log_partition(machine),
            rbm.log_weight(machine, X),
            rbm.log_prob(machine, X),
            rbm.log_likelihood(machine, X),
        )

    log_partition, of_x, log_prob, log_likelihood = law(machine)
    np.testing.assert_allclose(log_partition, np.log(weight.sum()), rtol=1e-13)
    np.testing.assert_allclose(of_x, np.log(weight.sum(1)), rtol=1e-12, atol=1e-13)
    p = weight.sum(1) / weight.sum()
    np.testing.assert_allclose(np.exp(log_prob), p, rtol=1e-12)
    np.testing.assert_allclose(log_likelihood, np.mean(np.log(p)))


@pytest.mark.parametrize("kind", ["binary", "softmax"])
@pytest.mark.parametrize("field", [-1e4, -1e6])
def test_a_field_however_low_costs_no_digits(kind, field):
    """In single precision: ln sum_z exp(z^T h) of h = (field, 0.3, ...)."""
    latent = Binary(2) if kind == "binary" else OneHot(2, "softmax")
    parameters = rbm.Parameters(
        jnp.zeros((5, 2), jnp.float32),
        jnp.zeros(5, jnp.float32),
        jnp.array([field, 0.3], jnp.float32),
    )
    machine = rbm.Rbm(parameters, jnp.full(5, 0.5, jnp.float32), latent)
    found = jax.jit(rbm.log_weight)(machine, X[:3])
    exact = np.logaddexp(0, 0.3) if kind == "binary" else 0.3
    # A handful of operations on numbers below one.
    np.testing.assert_allclose(found, exact, rtol=8 * np.finfo(np.float32).eps)


def test_partition_function_in_chunks(monkeypatch):
    """A sum over several chunks of states, and over all of ten units."""

    def log_partition(kind, num_units):
        system, machine = random_rbm(kind, num_visible=4, num_units=num_units)
        return system, jax.jit(lambda machine: rbm.log_partition(machine))(machine)

    _, whole = log_partition("binary", 7)
    for size in (16, 1024):
        monkeypatch.setattr(rbm, "CHUNK", size)
        _, found = log_partition("sampled", 7)
        np.testing.assert_allclose(found, whole, rtol=1e-13)
    system, found = log_partition("binary", 10)
    np.testing.assert_allclose(found, np.log(joint_weight(system).sum()), rtol=1e-13)


def test_too_many_units_to_sum():
    _, machine = random_rbm("binary", num_visible=4, num_units=21)
    with pytest.raises(ValueError, match="num_units=21"):
        rbm.log_partition(machine)


def test_conditionals_are_those_of_the_joint_law(pair):
    system, machine = pair
    weight = joint_weight(system)
    model = rbm.to_model(machine)
    np.testing.assert_allclose(
        forward_matrix(model), (weight / weight.sum(0)).T, rtol=1e-11
    )
    np.testing.assert_allclose(
        backward_matrix(model), weight / weight.sum(1)[:, None], rtol=1e-11
    )


def test_stationary_law_is_the_boltzmann_law(pair):
    """p(x), p_bar and L of the chain, by its eigenvector, are those of the RBM."""
    _, machine = pair

    @jax.jit
    def both(machine):
        model = rbm.to_model(machine)
        of_chain = exact.visible_distribution(model), exact.latent_distribution(model)
        return of_chain, (jnp.exp(rbm.log_prob(machine, X)), rbm.occupancy(machine))

    for found, expected in zip(*both(machine), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_detailed_balance(pair):
    """sigma is zero to rounding; that of the same model with w_bar moved is not."""
    system, machine = pair

    @jax.jit
    def rate(model):
        M = exact.latent_kernel(model)
        flux = exact.latent_distribution(model)[:, None] * M
        return entropy_production_rate(M, exact.latent_distribution(model)), flux

    sigma, flux = map(np.asarray, rate(rbm.to_model(machine)))
    np.testing.assert_allclose(flux, flux.T, rtol=1e-10)
    assert abs(sigma) < 1e-13
    moved = system.replace(w_bar=system.w_bar[::-1])
    assert rate(reference.to_model(moved))[0] > 1e-3


def test_sampled_moments_are_unbiased(space):
    """Chains that start from p(x): the negative phase of each has the exact mean."""
    system, machine = space
    weight = joint_weight(system)
    law = weight / weight.sum()
    states = jnp.asarray(reference.latent_states(system), bool)
    expected = latent_moments(machine, states, jnp.asarray(law.sum(0)))
    num_chains = 4000
    start = np.random.default_rng(1).choice(len(law), num_chains, p=law.sum(1))
    x = jnp.asarray(reference.bit_rows(5)[start], bool)

    @jax.jit
    @jax.vmap
    def sample(key, x):
        _, trajectory = chain.sample_chain(rbm.to_model(machine), key, x, 8)
        return rbm.latent_moments(machine, trajectory.z, jnp.full(8, 1 / 8))

    found = sample(jax.random.split(jax.random.key(2), num_chains), x)
    found, expected = jax.tree.map(np.asarray, (found, expected))
    for f, e in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        error = np.std(f, axis=0) / np.sqrt(num_chains)
        assert (abs(np.mean(f, axis=0) - e) < 4.5 * error + 1e-12).all()


def test_mixture_and_back():
    """Any mixture is an RBM with one-hot hidden layer, and ln Z = 0."""
    rng = np.random.default_rng(8)
    law = mixture.BernoulliMixture(
        jnp.asarray(np.log(rng.dirichlet(np.ones(4)))),
        jnp.asarray(2 * rng.standard_normal((4, 5))),
    )

    @jax.jit
    def there_and_back(law, x_mean):
        machine = rbm.from_mixture(law, x_mean)
        log_probs = rbm.log_prob(machine, X), mixture.log_prob(law, X)
        return rbm.log_partition(machine), log_probs, rbm.to_mixture(machine)

    log_partition, log_probs, back = there_and_back(law, jnp.asarray(rng.random(5)))
    np.testing.assert_allclose(log_partition, 0, atol=1e-13)
    np.testing.assert_allclose(*log_probs, rtol=1e-12)
    np.testing.assert_allclose(back.log_weights, law.log_weights, rtol=1e-12)
    np.testing.assert_allclose(back.logits, law.logits, rtol=1e-12)


def test_to_mixture(pair):
    _, machine = pair

    @jax.jit
    def both(machine):
        found = mixture.log_prob(rbm.to_mixture(machine), X)
        return found, rbm.log_prob(machine, X)

    np.testing.assert_allclose(*both(machine), rtol=1e-12)


def test_only_boltzmann_conditionals():
    system, machine = random_rbm("softmax")
    np.testing.assert_array_equal(system.w_bar, system.w.T)
    with pytest.raises(ValueError, match="as of Binary"):
        rbm.Rbm(machine.parameters, machine.x_mean, OneHot(3))
    rbm.Rbm(machine.parameters, machine.x_mean, Binary(3))
