"""The native path under the transformations of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from nelc_jax import Cycles, OneHot, TrajectoryGradient, ensemble, fold_chain
from nelc_jax import sample_chain as draw_chain
from nelc_jax.training import train

from .systems import member, rules

pytestmark = pytest.mark.usefixtures("native")

RULE = Cycles(OneHot(3), TrajectoryGradient(5))
SIZES = jnp.array([2, 4])


@pytest.fixture(scope="module")
def members():
    x = jnp.asarray(np.random.default_rng(7).random((6, 10)) < 0.3)
    rates = jnp.array([0.01, 0.1, 0.0, 0.2])
    init = jax.jit(ensemble.init, static_argnums=0)
    return init(RULE, jax.random.key(0), np.arange(4), x, rates), x


@pytest.fixture(scope="module")
def alone(members):
    """Each member trained by itself, its key as numbers."""
    states, x = members
    run = jax.jit(lambda i: plain(run_one(jax.tree.map(lambda a: a[i], states), x)))
    ends = [run(i) for i in range(4)]
    return jax.tree.map(lambda *a: np.stack(a), *ends)


@jax.jit
def plain(tree):
    """With keys as numbers."""

    def numbers(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(numbers, tree)


def equal(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def run_one(state, x):
    return train(RULE, state, x, SIZES)


def test_vmap(members, alone):
    run = jax.vmap(run_one, in_axes=(0, None))
    equal(jax.jit(lambda *given: plain(run(*given)))(*members), alone)


def test_nested_vmap_with_data_of_its_own(members, alone):
    states, x = members
    inner = jax.vmap(run_one, in_axes=(0, None))

    @jax.jit
    def nested(states, points):
        states = jax.tree.map(lambda a: a.reshape(2, 2, *a.shape[1:]), states)
        found = jax.vmap(inner, in_axes=(1, 0), out_axes=1)(states, points)
        return plain(jax.tree.map(lambda a: a.reshape(4, *a.shape[2:]), found))

    equal(nested(states, np.stack([x, x])), alone)


def test_shared_parameters_and_a_rate_each(members):
    states, x = members

    def with_rate(rate):
        first = jax.tree.map(lambda a: a[0], states)
        state = ensemble.training.set_learning_rate(first, rate)
        return plain(train(RULE, state, x, SIZES))

    rates = np.array([0.01, 0.3], np.float32)
    found = jax.jit(jax.vmap(with_rate))(rates)
    one = jax.jit(with_rate)
    equal(found, jax.tree.map(lambda *a: np.stack(a), *map(one, rates)))


def test_scan_of_single_steps(members, alone):
    states, x = members

    @jax.jit
    def stepwise(states):
        state = jax.tree.map(lambda a: a[1], states)
        return plain(
            jax.lax.scan(lambda s, n: train(RULE, s, x, n[None]), state, SIZES)
        )

    end, info = stepwise(states)
    expected, _ = jax.tree.map(lambda a: a[1], alone)
    equal(end, expected)
    assert info.finite.all()


@pytest.mark.parametrize("check_vma", [False, True])
def test_shard_map(members, alone, check_vma):
    states, x = members
    devices = jax.devices()[:2]
    mesh = jax.make_mesh((len(devices),), ("m",), (AxisType.Auto,), devices=devices)
    spec = PartitionSpec("m")
    # From where `init` has left them: all devices, which may be more.
    states = jax.device_put(states, NamedSharding(mesh, spec))
    mapped = jax.shard_map(
        lambda states: jax.vmap(lambda s: run_one(s, x))(states),
        mesh=mesh,
        in_specs=spec,
        out_specs=spec,
        check_vma=check_vma,
    )
    equal(jax.jit(lambda states: plain(mapped(states)))(states), alone)


def test_no_members(members):
    states, x = members

    @jax.jit
    def run(states):
        none = jax.tree.map(lambda a: a[:0], states)
        return jax.vmap(run_one, in_axes=(0, None))(none, x)

    end, _ = run(states)
    assert end.x.shape == (0, 10)


def test_any_optimizer(members):
    _, x = members
    native, by_xla = rules(OneHot(3), 5, optimizer=optax.adam(0.01))
    state, _ = member(native, 10, 6)
    found, expected = (jax.jit(train)(r, state, x, SIZES)[0] for r in (native, by_xla))
    np.testing.assert_array_equal(found.x, expected.x)


def test_a_rule_says_where_it_runs(members):
    states, x = members
    model = jax.eval_shape(lambda states: jax.tree.map(lambda a: a[0], states), states)
    model = model.model
    assert RULE.runs_natively(model, x)
    assert not RULE.runs_natively(model, x.astype(jnp.float32))
    adam = Cycles(OneHot(3), TrajectoryGradient(5), optax.adam(0.01))
    assert not adam.runs_natively(model, x)
    assert not rules(OneHot(3), 5)[1].runs_natively(model, x)


def test_folded_chain_is_the_sampled_one():
    state, _ = member(RULE, 10, 6)
    x_end, trajectory = jax.jit(draw_chain, static_argnums=3)(
        state.model, state.key, state.x, 130
    )

    def observe(carry, x, z):
        return carry[0] + z, carry[1] ^ x

    start = (np.zeros(3, np.int32), np.zeros(10, bool))
    fold = jax.jit(fold_chain, static_argnums=(3, 4))
    found_end, (visits, parity) = fold(
        state.model, state.key, state.x, 130, observe, start
    )
    np.testing.assert_array_equal(found_end, x_end)
    np.testing.assert_array_equal(visits, np.sum(trajectory.z, axis=0))
    np.testing.assert_array_equal(parity, np.sum(trajectory.x, axis=0) % 2 == 1)


def test_derivatives_are_those_of_xla():
    """The fields of a chain are functions of the parameters, natively too."""
    state, _ = member(RULE, 10, 6)
    model = state.model

    def total(a_bar, parallel):
        changed = jax.tree.map(lambda a: a_bar if a.shape == (3,) else a, model)
        return draw_chain(changed, state.key, state.x, 5, parallel)[1].h.sum()

    derivative = jax.jit(jax.grad(total), static_argnums=1)
    found, expected = (
        derivative(model.parameters.a_bar, at_once) for at_once in (None, True)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(expected, [5, 5, 5], rtol=1e-6)
