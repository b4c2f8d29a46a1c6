import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from nelc_jax.baselines import ais, rbm

from .rbms import random_rbm

KEY = jax.random.key(5)

FINE = jnp.asarray(np.linspace(0, 1, 100), jnp.float32)
# All at beta = 0 but the last: as many steps, and no annealing.
COARSE = jnp.asarray(np.where(FINE < 1, 0, FINE))

estimate = jax.jit(ais.log_partition, static_argnums=3)
log_partition = jax.jit(rbm.log_partition)
data_bias = jax.jit(ais.data_bias)


def random_machine(kind):
    """Nine pixels and six hidden units, whose weights are far from the base law."""
    return random_rbm(kind, num_visible=9, num_units=6)[1]


@pytest.fixture
def machine():
    return random_machine("binary")


@pytest.mark.parametrize("kind", ["softmax", "binary"])
def test_agrees_with_the_exact_sum(kind):
    """Within its error with 100 temperatures; with two the error says it is worse."""
    machine = random_machine(kind)
    bias = data_bias(machine)
    expected = log_partition(machine)
    fine = estimate(machine, KEY, FINE, 100, bias)
    assert abs(fine.log_partition - expected) < 3 * fine.standard_error
    assert fine.standard_error < 0.1
    assert fine.effective_chains > 50
    assert fine.log_ratios.shape == (100,)

    coarse = estimate(machine, KEY, COARSE, 100, bias)
    assert coarse.standard_error > 3 * fine.standard_error
    assert coarse.effective_chains < 0.5 * fine.effective_chains


def test_wrong_base_law_fails(machine):
    """A base far from the model's pixels needs the temperatures; two are not enough."""
    wrong = jnp.asarray(np.full(9, -8.0), jnp.float32)
    expected = log_partition(machine)
    coarse = estimate(machine, KEY, COARSE, 100, wrong)
    assert coarse.log_partition < expected - 1
    fine = estimate(machine, KEY, FINE, 100, wrong)
    assert abs(fine.log_partition - expected) < 3 * fine.standard_error


def test_standard_error_is_the_scatter(machine):
    """Over independent repetitions, in units of their errors: unit variance."""
    bias = data_bias(machine)
    # A program that is compiled already, again and again: cheaper than one by vmap.
    keys = [jax.random.fold_in(KEY, number) for number in range(100)]
    found = [estimate(machine, key, FINE, 100, bias) for key in keys]
    log_partitions = np.array([one.log_partition for one in found])
    errors = np.array([one.standard_error for one in found])
    deviation = (log_partitions - log_partition(machine)) / errors
    # The variance of 100 draws has a relative error of 0.14.
    assert 0.6 < np.var(deviation) < 1.6
    assert abs(np.mean(deviation)) < 0.4
    np.testing.assert_allclose(np.mean(errors), np.std(log_partitions), rtol=0.25)


@pytest.mark.usefixtures("x64")
def test_tempered_law(machine):
    bias, tempered = data_bias(machine), jax.jit(ais.tempered)
    end = tempered(machine, jnp.float64(1), bias)
    chex.assert_trees_all_close(end.parameters, machine.parameters, rtol=1e-7)
    start = tempered(machine, jnp.float64(0), bias)
    states = machine.latent.num_states
    np.testing.assert_allclose(
        log_partition(start),
        np.log(states) + np.sum(np.log1p(np.exp(bias))),
        rtol=1e-12,
    )


@pytest.mark.usefixtures("x64")
def test_independent_pixels_need_no_annealing(machine):
    """With w = 0 and the base at a, every weight is the same: no error at all."""
    p = machine.parameters
    free = rbm.Rbm(
        rbm.Parameters(0 * p.w, p.a, 0 * p.a_bar), machine.x_mean, machine.latent
    )
    found = estimate(free, KEY, jnp.asarray(np.linspace(0, 1, 3)), 4, p.a)
    np.testing.assert_allclose(found.log_partition, log_partition(free), rtol=1e-12)
    assert found.standard_error < 1e-6
    np.testing.assert_allclose(found.effective_chains, 4, rtol=1e-12)


def test_large_hidden_layer():
    """Beyond any sum: 64 units on four pixels, whose 2^4 states are summed instead."""
    _, machine = random_rbm("binary", num_visible=4, num_units=64)
    small = jax.tree.map(lambda p: jnp.asarray(0.2 * np.asarray(p)), machine.parameters)
    machine = rbm.Rbm(small, machine.x_mean, machine.latent)
    x = jnp.asarray([[k >> i & 1 for i in range(4)] for k in range(16)], bool)
    expected = scipy.special.logsumexp(jax.jit(rbm.log_weight)(machine, x))
    found = estimate(machine, KEY, FINE, 100, data_bias(machine))
    assert abs(found.log_partition - expected) < 3 * found.standard_error
    assert found.standard_error < 0.1


def test_bad_arguments(machine):
    with pytest.raises(ValueError, match="num_chains=1"):
        ais.log_partition(machine, KEY, FINE, 1)
    with pytest.raises(ValueError, match="betas"):
        ais.log_partition(machine, KEY, FINE[:1], 2)
