"""Ensembles on a number of forced devices: a program that `test_devices` runs.

`python -m tests.devices N` trains members in ways of all kinds on N devices, and holds
each against the member alone.
"""

import os
import sys
from functools import partial

if __name__ == "__main__":
    os.environ["JAX_NUM_CPU_DEVICES"] = sys.argv[1]

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from nelc_jax import Cycles, OneHot, TrajectoryGradient, ensemble, train

RULE = Cycles(OneHot(3), TrajectoryGradient(chain_length=8))
KEY = jax.random.key(11)
SIZES = jnp.asarray([4, 6, 8])
NUM_MEMBERS = 50


def take(states, row):
    return jax.tree.map(lambda a: a[row], states)


def stream(state):
    """The random choices of members: their keys, steps and chains."""
    return state.key, state.step, state.x


def assert_same_member(found, expected, tolerance):
    """Equal streams, and numbers up to the rounding of differently batched sums."""
    chex.assert_trees_all_equal(stream(found), stream(expected))
    numbers = ((s.model, s.optimizer) for s in (found, expected))
    chex.assert_trees_all_close(*numbers, rtol=tolerance, atol=tolerance)


def check_every_way(num_devices):
    assert len(jax.local_devices()) == num_devices
    x = jnp.asarray(np.random.default_rng(1).random((60, 6)) < 0.4)
    start = ensemble.init(RULE, KEY, jnp.arange(NUM_MEMBERS), x)
    alone = jax.jit(partial(train, RULE))
    ends = [alone(take(start, row), x, SIZES) for row in range(NUM_MEMBERS)]
    expected = jax.tree.map(lambda *a: jnp.stack(a), *ends)
    together = partial(ensemble.train, RULE)

    def check(found, rows):
        (end, infos), (states, reported) = found, take(expected, rows)
        chex.assert_tree_shape_prefix(infos, (len(states.step), len(SIZES)))
        # RMSprop divides by the size of the gradient, which amplifies its rounding.
        assert_same_member(end, states, 1e-4)
        chex.assert_trees_all_close(infos, reported, rtol=1e-4, atol=1e-4)

    # Members that the devices do not share equally, and more than one group a device.
    for count in {36, 5, NUM_MEMBERS if num_devices < 3 else 36}:
        rows = slice(0, count)
        found = jax.jit(together)(take(start, rows), x, SIZES)
        check(found, rows)
        used = found[1].log_likelihood.sharding.device_set
        assert len(used) == min(count, num_devices)

    # On some of the devices, one after the other, and two ensembles by vmap.
    some = ensemble.member_mesh(5, jax.local_devices()[-2:])
    five = take(start, slice(0, 5))
    check(jax.jit(partial(together, mesh=some))(five, x, SIZES), slice(0, 5))
    two = jax.tree.map(lambda a: a[:10].reshape(2, 5, *a.shape[1:]), start)
    found = jax.jit(jax.vmap(together, (0, None, None)))(two, x, SIZES)
    for row in range(2):
        check(take(found, row), slice(5 * row, 5 * row + 5))

    # Within a user's own `shard_map`, each device has its own ensemble.
    mesh = jax.make_mesh((num_devices,), ("rows",))
    spread = jax.shard_map(
        together,
        mesh=mesh,
        in_specs=(PartitionSpec("rows"), PartitionSpec(), PartitionSpec()),
        out_specs=PartitionSpec("rows"),
        check_vma=False,
    )
    rows = slice(0, 2 * num_devices)
    check(jax.jit(spread)(take(start, rows), x, SIZES), rows)

    # Any function of a member, with padding that no result shows.
    doubled = ensemble.map_members(lambda a, b, c: (a + b, c), 2)
    numbers = jnp.arange(5.0)
    sums, shared = jax.jit(doubled)(numbers, 10 * numbers, jnp.float32(7))
    np.testing.assert_array_equal(sums, 11 * np.arange(5))
    np.testing.assert_array_equal(shared, np.full(5, 7))


if __name__ == "__main__":
    check_every_way(int(sys.argv[1]))
    print("every member is the same")
