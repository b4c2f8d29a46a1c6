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
    init = jax.jit(lambda *a: ensemble.init(RULE, KEY, a[0], x, *a[1:]))
    spread = jax.jit(partial(ensemble.train, RULE))

    def run(members, *rates):
        start = init(jnp.asarray(members), *rates)
        return start, *spread(start, x, SIZES)

    return run


@pytest.fixture(scope="module")
def five(run):
    return run(range(5))


def test_keys():
    keys = ensemble.member_keys(KEY, jnp.asarray([7, 2]))
    for key, number in zip(keys, (7, 2), strict=True):
        chex.assert_trees_all_equal(key, jax.random.fold_in(KEY, number))


def test_members_do_not_depend_on_company(x, run, five):
    """Member 2 of five, of three, of a list out of order, and alone."""

    @jax.jit
    def alone(key):
        state = RULE.init(key, x)
        return state, *train(RULE, state, x, SIZES)

    rates = jnp.full(3, 0.1, jnp.float32)
    expected = alone(jax.random.fold_in(KEY, 2))
    for found, row in (
        (five, 2),
        (run(range(3), rates), 2),
        (run([7, 2, 9], rates), 1),
    ):
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
    rates = jnp.asarray([0.1, 0.01, 0.0], jnp.float32)
    start, end, _ = run([4, 4, 4], rates)
    kept = (
        states.optimizer.hyperparams["learning_rate"] for states in (start, five[0])
    )
    np.testing.assert_array_equal(next(kept), rates)
    np.testing.assert_array_equal(next(kept), np.full(5, np.float32(0.1)))
    assert_same_member(take(end, 0), take(five[1], 4), 1e-4)
    w, initial = end.model.parameters.w, start.model.parameters.w
    np.testing.assert_array_equal(w[2], initial[2])
    moved = abs(w - initial).max((1, 2))
    assert moved[0] > 3 * moved[1] > 0


def test_spread_over_two_devices(x, five):
    start, *_ = five
    four = take(start, slice(0, 4))
    mesh = ensemble.member_mesh(4, jax.local_devices()[:2])
    assert mesh.size == 2
    _, infos = jax.jit(partial(ensemble.train, RULE, mesh=mesh))(four, x, SIZES)
    assert len(infos.log_likelihood.sharding.device_set) == 2
    np.testing.assert_allclose(
        infos.log_likelihood, five[2].log_likelihood[:4], rtol=1e-4
    )


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

    def one(member, shared):
        return member + shared

    def watched(members, shared):
        sizes.append(members.shape[0])
        return jax.vmap(one, (0, None))(members, shared)

    monkeypatch.setattr(ensemble.jax, "vmap", lambda *a, **k: watched)
    for members, expected in ((3, 2), (8, 4), (12, 3), (13, 4), (18, 3)):
        found = ensemble.map_members(one, 1)(jnp.arange(members), 10)
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
