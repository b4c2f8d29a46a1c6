"""Many persistent chains: they keep the law, and average over all that they visit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nelc_jax.baselines import rbm
from nelc_jax.model import backward_field
from nelc_jax.rules import ManyChains

from .. import reference
from ..baselines.rbms import random_rbm

NUM_CHAINS = 20_000
KEY = jax.random.key(0)


def moments(negative, machine, x):
    return jax.jit(negative.moments)(machine, KEY, x)


def test_stationarity():
    """Chains started from the exact law keep it and have its moments."""
    system, machine = random_rbm("binary")
    law = reference.visible_law(system)
    start = np.random.default_rng(0).choice(len(law), NUM_CHAINS, p=law)
    x = jnp.asarray(reference.bit_rows(5)[start], bool)

    def run(machine):
        x_end, found = moments(ManyChains(NUM_CHAINS, 3), machine, x)
        counts = reference.histogram(reference.codes(np.asarray(x_end)), len(law))
        return reference.follows(counts, law), found

    keeps, found = run(machine)
    assert keeps
    states, occupancy = machine.latent.states(), rbm.occupancy(machine)
    exact = rbm.latent_moments(machine, states, occupancy)
    # An average of 20,000 numbers below one, of which no two chains share any.
    error = 5 / np.sqrt(NUM_CHAINS)
    chex.assert_trees_all_close(found, exact, rtol=0, atol=error)
    # Control: the chain of another machine.
    assert not run(rbm.Rbm(machine.parameters, 0 * machine.x_mean, machine.latent))[0]


def test_moments_are_of_every_visit(x64):
    """Of all chains and steps, by the field in which each latent state was drawn."""
    _, machine = random_rbm("binary")
    x = jnp.asarray(np.random.default_rng(0).random((4, 5)) < 0.5)
    x_end, found = moments(ManyChains(4, 2), machine, x)
    first, last = (jax.random.fold_in(KEY, t) for t in range(2))
    _, x_between = rbm.double_step(machine, first, x)
    z, expected_end = rbm.double_step(machine, last, x_between)
    np.testing.assert_array_equal(x_end, expected_end)
    assert z.shape == (4, 3)
    visited = jnp.concatenate([x, x_between])
    h = backward_field(rbm.to_model(machine), visited)
    share = jnp.mean(jnp.exp(machine.latent.log_probs(h)), axis=0)
    expected = rbm.latent_moments(machine, machine.latent.states(), share)
    chex.assert_trees_all_close(found, expected, rtol=1e-12, atol=1e-12)
