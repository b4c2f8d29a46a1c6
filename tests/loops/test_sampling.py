"""The chain round a loop, from its exact law."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import sample_chain
from nelc_jax.loops import sample_loop

from .. import reference
from .systems import as_loop, kernels, random_loop, to_loop, turn

NUM_CHAINS = 40_000


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
def test_one_hidden_layer_is_the_chain(kind):
    """Bit by bit, over the end of a block."""
    system = reference.random_system(kind)

    @jax.jit
    def both(model, loop, x):
        key = jax.random.key(2)
        return sample_chain(model, key, x, 70), sample_loop(loop, key, x, 70)

    (end, one), (loop_end, turns) = both(
        reference.to_model(system), to_loop(as_loop(system)), jnp.ones(5, bool)
    )
    np.testing.assert_array_equal(end, loop_end)
    for found, expected in zip((turns.x, turns.z[0]), (one.x, one.z), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(turns.h[0], one.h, rtol=1e-12, atol=1e-12)


def joint(matrices):
    """The law of (x, z1, z2, x') in the stationary state, flat."""
    law = reference.stationary(turn(matrices, 0))
    for T in matrices:
        law = law[..., None] * T
    return law.ravel()


def test_chain_is_stationary():
    """From the law of x, every turn is of the joint law: also the second one."""
    system = random_loop([("sigmoid", 3), ("binary", 2)], 3)
    matrices = kernels(system)
    law = reference.stationary(turn(matrices, 0))
    start = np.random.default_rng(0).choice(len(law), NUM_CHAINS, p=law)

    @jax.jit
    @jax.vmap
    def sample(key, x):
        end, turns = sample_loop(loop, key, x, 2)
        return turns.x, turns.z, end

    loop = to_loop(system)
    keys = jax.random.split(jax.random.key(1), NUM_CHAINS)
    x, (z1, z2), end = sample(keys, jnp.asarray(reference.bit_rows(3)[start], bool))
    codes = reference.codes(x), np.argmax(z1, -1), reference.codes(z2)
    arrived = np.stack([codes[0][:, 1], reference.codes(end)], axis=1)
    cells = np.ravel_multi_index((*codes, arrived), (8, 3, 4, 8))
    changed = dataclasses.replace(system, biases=tuple(0.8 * b for b in system.biases))
    for number in range(2):
        counts = reference.histogram(cells[:, number], 8 * 3 * 4 * 8)
        assert reference.follows(counts, joint(matrices))
        # Control: biases off by a fifth.
        assert not reference.follows(counts, joint(kernels(changed)))
    # Layers have random numbers of their own: the first turns of two chains differ.
    assert len(np.unique(cells[:, 0])) > 100
