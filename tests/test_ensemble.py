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
def train(x):
    return jax.jit(lambda s: ensemble.train(CONFIG, s, x, SIZES, 8))


def init(members, x, learning_rate=0.1):
    return ensemble.init(KEY, jnp.asarray(members), LATENT, x, CONFIG, learning_rate)


def test_keys():
    keys = ensemble.member_keys(KEY, jnp.asarray([7, 2]))
    for key, number in zip(keys, (7, 2), strict=True):
        expected = jax.random.key_data(jax.random.fold_in(KEY, number))
        np.testing.assert_array_equal(jax.random.key_data(key), expected)


def test_members_do_not_depend_on_company(x, train):
    """Member i of 5, of 3, of a list out of order, and alone."""
    five, three = init(range(5), x), init(range(3), x)
    listed = init([7, 2], x)
    ends = [train(states)[0] for states in (five, three, listed)]
    alone = jax.jit(lambda s: training.train(CONFIG, s, x, SIZES, 8))
    for number in (0, 2):
        state = training.init(jax.random.fold_in(KEY, number), LATENT, x, CONFIG)
        end, _ = alone(state)
        others = [(five, ends[0], number), (three, ends[1], number)]
        others += [(listed, ends[2], 1)] if number == 2 else []
        for starts, finals, row in others:
            assert_same_member(take(starts, row), state, 1e-6)
            # Sums of batched and single products round differently, and RMSprop divides
            # by their size.
            assert_same_member(take(finals, row), end, 1e-4)


def test_members_differ(x, train):
    end, infos = train(init(range(5), x))
    assert infos.log_likelihood.shape == (5, len(SIZES))
    assert infos.finite.all()
    for leaf in (end.model.parameters.w, infos.log_likelihood):
        assert len(np.unique(np.asarray(leaf), axis=0)) == 5
    # Their keys too: no two members share random numbers.
    assert len(np.unique(jax.random.key_data(end.key), axis=0)) == 5


def test_learning_rates(x, train):
    rates = jnp.asarray([0.1, 0.01, 0.0], jnp.float32)
    start = init([4, 4, 4], x, rates)
    np.testing.assert_array_equal(start.learning_rate, rates)
    end, _ = train(start)
    common, _ = train(init(range(5), x, 0.01))
    assert_same_member(take(end, 1), take(common, 4), 1e-4)
    w, initial = end.model.parameters.w, start.model.parameters.w
    np.testing.assert_array_equal(w[2], initial[2])
    moved = abs(w - initial).max((1, 2))
    assert moved[0] > 3 * moved[1] > 0


@pytest.mark.parametrize("num_devices", [1, 2])
def test_map_members(x, train, num_devices):
    """Spread over devices, the members are the same."""
    devices = jax.local_devices()[:num_devices]
    assert len(devices) == num_devices
    mesh = ensemble.member_mesh(4, devices)
    assert mesh.size == num_devices
    one = partial(training.train, CONFIG, batch_capacity=8)
    spread = jax.jit(ensemble.map_members(one, 1, mesh))
    states = init(range(4), x)
    found, infos = spread(states, x, SIZES)
    expected, expected_infos = train(states)
    for row in range(4):
        assert_same_member(take(found, row), take(expected, row), 1e-4)
    np.testing.assert_allclose(
        infos.log_likelihood, expected_infos.log_likelihood, rtol=1e-4
    )
    assert len(infos.log_likelihood.sharding.device_set) == num_devices


def test_mesh_of_few_members():
    """No more devices than members."""
    assert ensemble.member_mesh(1).size == 1
    assert ensemble.member_mesh(100).size == len(jax.local_devices())
