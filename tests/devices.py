"""Ensembles on a number of forced devices: a program that `test_devices` runs.

`python -m tests.devices N` trains members on N devices, and holds each against the
member alone; on three of them, also within a user's own `jit`, `vmap` and `shard_map`.
"""

import os
import sys
from contextlib import contextmanager
from functools import partial

if __name__ == "__main__":
    os.environ["JAX_NUM_CPU_DEVICES"] = sys.argv[1]

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, PartitionSpec

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


@jax.jit
def alone(states, x):
    """Members one after the other."""
    return jax.lax.map(lambda state: train(RULE, state, x, SIZES), states)


together = partial(ensemble.train, RULE)


def check(found, expected):
    (end, infos), (states, reported) = found, expected
    chex.assert_tree_shape_prefix(infos, (len(states.step), len(SIZES)))
    # RMSprop divides by the size of the gradient, which amplifies its rounding.
    assert_same_member(end, states, 1e-4)
    chex.assert_trees_all_close(infos, reported, rtol=1e-4, atol=1e-4)


def check_any_number_of_members(expected, x):
    """That the devices do not share equally, and in more than one group a device.

    The second call takes what the first one gave, and compiles nothing.
    """
    num_devices = len(jax.local_devices())
    for count in (NUM_MEMBERS if num_devices < 3 else 36, 5):
        run = jax.jit(together)
        found = run(ensemble.init(RULE, KEY, jnp.arange(count), x), x, SIZES)
        check(found, take(expected, slice(count)))
        with compilations() as counted:
            run(found[0], x, SIZES)
        assert not counted
        # Control: the same states in another place.
        with compilations() as counted:
            run(jax.device_get(found[0]), x, SIZES)
        assert bool(counted) == (num_devices > 1)
        used = found[1].log_likelihood.sharding.device_set
        assert len(used) == min(count, num_devices)


@contextmanager
def compilations():
    """A list that gets an entry for every program that is compiled."""
    counted = []

    def listen(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            counted.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield counted
    jax.monitoring.unregister_event_duration_listener(listen)


def check_any_function():
    """With padding that no result shows."""
    doubled = ensemble.map_members(lambda a, b, c: (a + b, c), 2)
    numbers = jnp.arange(5.0)
    sums, shared = jax.jit(doubled)(numbers, 10 * numbers, jnp.float32(7))
    np.testing.assert_array_equal(sums, 11 * np.arange(5))
    np.testing.assert_array_equal(shared, np.full(5, 7))


def check_within_transformations(start, expected, x):
    devices = jax.local_devices()
    # On some of the devices.
    some = ensemble.member_mesh(5, devices[-2:])
    five = ensemble.init(RULE, KEY, jnp.arange(5), x, mesh=some)
    found = jax.jit(partial(together, mesh=some))(five, x, SIZES)
    check(found, take(expected, slice(5)))
    # Two ensembles by `vmap`.
    two = jax.tree.map(lambda a: a[:10].reshape(2, 5, *a.shape[1:]), start)
    found = jax.jit(jax.vmap(together, (0, None, None)))(two, x, SIZES)
    found = jax.tree.map(lambda a: a.reshape(10, *a.shape[2:]), found)
    check(found, take(expected, slice(10)))
    # Within `shard_map` each device has an ensemble of its own.
    mesh = jax.make_mesh((len(devices),), ("rows",), axis_types=(AxisType.Auto,))
    spread = jax.shard_map(
        together,
        mesh=mesh,
        in_specs=(PartitionSpec("rows"), PartitionSpec(), PartitionSpec()),
        out_specs=PartitionSpec("rows"),
        check_vma=False,
    )
    rows = slice(2 * len(devices))
    check(jax.jit(spread)(take(start, rows), x, SIZES), take(expected, rows))


def main(num_devices):
    assert len(jax.local_devices()) == num_devices
    x = jnp.asarray(np.random.default_rng(1).random((60, 6)) < 0.4)
    start = jax.jit(partial(ensemble.init, RULE))(KEY, jnp.arange(NUM_MEMBERS), x)
    expected = alone(start, x)
    check_any_number_of_members(expected, x)
    check_any_function()
    if num_devices == 3:
        check_within_transformations(start, expected, x)
    print("every member is the same")


if __name__ == "__main__":
    main(int(sys.argv[1]))
