from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Cycles, OneHot, TrajectoryGradient, ensemble, train

from .devices import KEY, SIZES, assert_same_member, take

RULE = Cycles(OneHot(3), TrajectoryGradient(chain_length=8))


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(np.random.default_rng(1).random((60, 6)) < 0.4)


@pytest.fixture(scope="module")
def run(x):
    """The states of members before and after training, and what training reports."""
    init = jax.jit(lambda members, rates: ensemble.init(RULE, KEY, members, x, rates))
    spread = jax.jit(partial(ensemble.train, RULE))

    def run(members, rates=None):
        rates = [0.1] * len(members) if rates is None else rates
        start = init(jnp.asarray(members), jnp.asarray(rates, jnp.float32))
        return start, *spread(start, x, SIZES)

    return run


@pytest.fixture(scope="module")
def five(run):
    return run(range(5))


def test_members_do_not_depend_on_company(x, run, five):
    """Member 2 of five, of three, of a list out of order, and alone."""

    @jax.jit
    def alone(key):
        state = RULE.init(key, x)
        return state, *train(RULE, state, x, SIZES)

    expected = alone(jax.random.fold_in(KEY, 2))
    for found, row in ((five, 2), (run(range(3)), 2), (run([7, 2, 9]), 1)):
        assert_same_member(take(found[0], row), expected[0], 1e-6)
        # Batched and single sums round differently, and RMSprop divides by their size.
        assert_same_member(take(found[1], row), expected[1], 1e-4)
        np.testing.assert_allclose(
            found[2].log_likelihood[row], expected[2].log_likelihood, rtol=1e-4
        )


def test_members_differ(five):
    _, end, infos = five
    chex.assert_tree_shape_prefix(infos, (5, len(SIZES)))
    assert infos.finite.all()
    keys = jax.random.key_data(end.key)
    for leaf in (end.model.parameters.w, infos.log_likelihood, keys):
        assert len(np.unique(np.asarray(leaf), axis=0)) == 5


def test_learning_rates(run, five):
    start, end, _ = run([4, 4, 4], [0.1, 0.01, 0.0])
    kept = start.optimizer.hyperparams["learning_rate"]
    np.testing.assert_array_equal(kept, np.float32([0.1, 0.01, 0.0]))
    assert_same_member(take(end, 0), take(five[1], 4), 1e-4)
    w, initial = end.model.parameters.w, start.model.parameters.w
    np.testing.assert_array_equal(w[2], initial[2])
    moved = abs(w - initial).max((1, 2))
    assert moved[0] > 3 * moved[1] > 0


def test_spread_over_all_devices(x, five):
    devices = jax.local_devices()
    assert ensemble.member_mesh(100).size == len(devices)
    found = five[2].log_likelihood
    assert found.sharding.device_set == set(devices)
    # On one of them.
    one = ensemble.member_mesh(5, devices[-1:])
    start = ensemble.init(RULE, KEY, jnp.arange(5), x, 0.1, one)
    _, infos = jax.jit(partial(ensemble.train, RULE, mesh=one))(start, x, SIZES)
    assert infos.log_likelihood.sharding.device_set == {devices[-1]}
    np.testing.assert_allclose(infos.log_likelihood, found, rtol=1e-4)


def test_mesh_of_few_members():
    """No more devices than members."""
    assert ensemble.member_mesh(1).size == 1
    assert ensemble.member_mesh(100).size == len(jax.local_devices())
    with pytest.raises(ValueError, match="num_members=0"):
        ensemble.member_mesh(0)


def test_groups_of_a_cpu(monkeypatch):
    """No more members side by side than a core's cache holds, and no result more."""
    monkeypatch.setattr(ensemble, "CPU_GROUP", 4)
    sizes = []

    @jax.custom_batching.custom_vmap
    def one(member, shared):
        return member + shared

    @one.def_vmap
    def watched(side_by_side, _, members, shared):
        sizes.append(side_by_side)
        return members + shared, True

    one_device = ensemble.member_mesh(1)
    for members, expected in ((2, 2), (4, 4), (6, 3), (7, 4), (9, 3)):
        run = jax.jit(ensemble.map_members(one, 1, one_device))
        found = run(jnp.arange(members), jnp.int32(10))
        np.testing.assert_array_equal(found, 10 + np.arange(members))
        assert sizes[-1] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.arange(3), jnp.arange(4)), r"argument 1 has an array of shape \(4,\)"),
        ((jnp.arange(3), jnp.int32(0)), r"argument 1 has an array of shape \(\)"),
        ((jnp.int32(0), jnp.arange(3)), r"argument 0 has an array of shape \(\)"),
        (((), ()), "no argument has an array"),
    ],
)
def test_arguments_without_a_common_axis(arguments, message):
    with pytest.raises(ValueError, match=message):
        ensemble.map_members(lambda a, b: a, 2)(*arguments)


def test_no_members():
    found = ensemble.map_members(lambda a, b: a + b, 1)(jnp.zeros((0, 2)), jnp.ones(2))
    chex.assert_shape(found, (0, 2))


def test_the_state_of_one_member(x):
    with pytest.raises(ValueError, match=r"states.step.shape=\(\): expected \(M,\)"):
        ensemble.train(RULE, RULE.init(KEY, x), x, SIZES)
    with pytest.raises(ValueError, match="num_mapped=0"):
        ensemble.map_members(lambda a: a, 0)


@pytest.mark.usefixtures("unchecked")
def test_numbers_that_are_no_members(x):
    """Their keys would be those of other members."""
    for number, shown in ((-1, "-1"), (2**32 + 3, "4294967299")):
        with pytest.raises(ValueError, match=rf"^members\[1\]={shown}: expected a mem"):
            ensemble.init(RULE, KEY, np.array([0, number]), x)


@pytest.mark.usefixtures("unchecked")
def test_data_of_numpy_without_jit(x):
    states = ensemble.init(RULE, KEY, np.arange(2), np.asarray(x))
    found = ensemble.train(RULE, states, np.asarray(x), np.asarray(SIZES))
    expected = jax.jit(ensemble.train)(RULE, states, x, SIZES)
    chex.assert_trees_all_close(found[1], expected[1], rtol=1e-4)
