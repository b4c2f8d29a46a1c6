from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import ensemble, training
from nelc_jax.latent import OneHot
from nelc_jax.training import Config

CONFIG = Config(chain_length=8)
LATENT = OneHot(3)
KEY = jax.random.key(11)
SIZES = jnp.asarray([4, 4, 6, 8, 8])


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(np.random.default_rng(1).random((60, 6)) < 0.4)


def take(states, row):
    return jax.tree.map(lambda a: a[row], states)


def bits(state):
    """The random choices of a member: its key and its chain."""
    return np.asarray(jax.random.key_data(state.key)), np.asarray(state.x)


def assert_same_member(found, expected, tolerance):
    for f, e in zip(bits(found), bits(expected), strict=True):
        np.testing.assert_array_equal(f, e)
    numbers = (
        jax.tree.leaves((s.model, s.optimizer, s.step, s.learning_rate))
        for s in (found, expected)
    )
    for f, e in zip(*numbers, strict=True):
        np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def run(x):
    """The states of members before and after training, and what training reports."""
    init = jax.jit(lambda *a: ensemble.init(KEY, a[0], LATENT, x, CONFIG, *a[1:]))
    train = jax.jit(lambda s: ensemble.train(CONFIG, s, x, SIZES))

    def run(members, *rates):
        start = init(jnp.asarray(members), *rates)
        return start, *train(start)

    return run


@pytest.fixture(scope="module")
def five(run):
    return run(range(5))


def test_keys():
    keys = ensemble.member_keys(KEY, jnp.asarray([7, 2]))
    for key, number in zip(keys, (7, 2), strict=True):
        expected = jax.random.key_data(jax.random.fold_in(KEY, number))
        np.testing.assert_array_equal(jax.random.key_data(key), expected)


def test_members_do_not_depend_on_company(x, run, five):
    """Member 2 of five, of three, of a list out of order, and alone."""

    @jax.jit
    def alone(key):
        state = training.init(key, LATENT, x, CONFIG)
        return state, *training.train(CONFIG, state, x, SIZES)

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
    assert infos.log_likelihood.shape == (5, len(SIZES))
    assert infos.finite.all()
    keys = jax.random.key_data(end.key)
    for leaf in (end.model.parameters.w, infos.log_likelihood, keys):
        assert len(np.unique(np.asarray(leaf), axis=0)) == 5


def test_learning_rates(run, five):
    rates = jnp.asarray([0.1, 0.01, 0.0], jnp.float32)
    start, end, _ = run([4, 4, 4], rates)
    np.testing.assert_array_equal(start.learning_rate, rates)
    np.testing.assert_array_equal(five[0].learning_rate, np.full(5, np.float32(0.1)))
    assert_same_member(take(end, 0), take(five[1], 4), 1e-4)
    w, initial = end.model.parameters.w, start.model.parameters.w
    np.testing.assert_array_equal(w[2], initial[2])
    moved = abs(w - initial).max((1, 2))
    assert moved[0] > 3 * moved[1] > 0


def test_map_members(x, five):
    """Spread over two devices, the members are the same."""
    mesh = ensemble.member_mesh(4, jax.local_devices()[:2])
    assert mesh.size == 2
    one = partial(training.train, CONFIG)
    spread = jax.jit(ensemble.map_members(one, 1, mesh))
    start, *expected = take(five, slice(0, 4))
    end, infos = spread(start, x, SIZES)
    for row in range(4):
        assert_same_member(take(end, row), take(expected[0], row), 1e-4)
    np.testing.assert_allclose(
        infos.log_likelihood, expected[1].log_likelihood, rtol=1e-4
    )
    assert len(infos.log_likelihood.sharding.device_set) == 2


def test_mesh_of_few_members():
    """No more devices than members."""
    assert ensemble.member_mesh(1).size == 1
    assert ensemble.member_mesh(100).size == len(jax.local_devices())


def test_groups_of_a_cpu(x, five, monkeypatch):
    """Twelve members on two devices, in groups of three, are the same members."""
    monkeypatch.setattr(ensemble, "CPU_GROUP", 4)
    keys = ensemble.member_keys(KEY, jnp.arange(12))
    mesh = ensemble.member_mesh(12, jax.local_devices()[:2])
    one = partial(training.train, CONFIG)
    mapped = jax.jit(ensemble.map_members(one, 1, mesh))
    start = jax.vmap(lambda key: training.init(key, LATENT, x, CONFIG))(keys)
    end, infos = mapped(start, x, SIZES)
    assert infos.log_likelihood.shape == (12, len(SIZES))
    for row in range(5):
        assert_same_member(take(end, row), take(five[1], row), 1e-4)
    assert [ensemble._group_size(n) for n in (3, 6, 8, 7, 1)] == [3, 3, 4, 7, 1]
