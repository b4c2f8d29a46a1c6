from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from machines import random_rbm
from sklearn.neural_network import BernoulliRBM

from nelc_jax import chain, ensemble, noise
from nelc_jax.baselines import pcd, rbm
from nelc_jax.baselines.pcd import Config
from nelc_jax.latent import Binary, OneHot

LATENTS = (OneHot(3, "softmax"), Binary(3))
KEY = jax.random.key(1)
SIZES = jnp.asarray([4, 20, 6, 33])


@pytest.fixture(scope="module")
def x():
    """A mixture of three noisy patterns of six bits."""
    rng = np.random.default_rng(0)
    patterns = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]])
    noisy = patterns[rng.integers(0, 3, 300)] ^ (rng.random((300, 6)) < 0.1)
    return jnp.asarray(noisy, bool)


train = jax.jit(pcd.train, static_argnums=0)
step = jax.jit(pcd.train_step, static_argnums=0)
log_likelihood = jax.jit(rbm.log_likelihood)
occupancy = jax.jit(rbm.occupancy)
sum_batch = jax.jit(pcd.sum_batch)
init = jax.jit(pcd.init, static_argnums=1)
sample_chain = jax.jit(chain.sample_chain, static_argnums=3)


def numbers(tree):
    """The arrays of a tree, keys as their words."""
    return [
        np.asarray(
            jax.random.key_data(leaf)
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else leaf
        )
        for leaf in jax.tree.leaves(tree)
    ]


def assert_close(found, expected, tolerance):
    for f, e in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("latent", LATENTS, ids=str)
def test_init(x, latent):
    """The forward weights of App. A1; one-hot states alike, a unit alone half on."""
    state = init(KEY, latent, x, Config(), 0.05)
    assert (state.step, state.learning_rate) == (0, np.float32(0.05))
    np.testing.assert_allclose(state.rbm.x_mean, np.mean(x, axis=0), rtol=1e-6)
    found = occupancy(state.rbm)
    if isinstance(latent, OneHot):
        np.testing.assert_allclose(found, 1 / 3, rtol=1e-5)
        assert not state.rbm.parameters.a.any()
    else:
        np.testing.assert_allclose(found[np.array([1, 2, 4])], found[0], rtol=1e-4)
    single = reference.best_mixture(np.asarray(x), 1)
    assert abs(log_likelihood(state.rbm, x) - single) < 0.2


@pytest.mark.usefixtures("x64")
def test_coordinates(pair, points):
    """There and back; the slope along them is r_b (m_b - mu_b), free of p_bar."""
    _, machine = pair
    if machine.latent.absorbs_visible_bias:
        machine = eqx.tree_at(lambda m: m.parameters.a, machine, jnp.zeros(5))
    position = pcd.coordinates(machine)
    back = pcd.from_coordinates(machine, position)
    assert_close(back.parameters, machine.parameters, 1e-13)
    if not machine.latent.absorbs_visible_bias:
        return
    states = machine.latent.states()
    np.testing.assert_allclose(
        position.a_bar, rbm.latent_log_weight(machine, states), rtol=1e-12
    )

    def value(position):
        return rbm.log_likelihood(pcd.from_coordinates(machine, position), points)

    slope = jax.jit(jax.grad(value))(position)
    r = machine.latent.mean(rbm.backward_field(rbm.to_model(machine), points))
    mu = jax.nn.sigmoid(machine.parameters.w)
    expected = jnp.einsum("mb,mdb->db", r, points[:, :, None] - mu[None]) / 4
    np.testing.assert_allclose(slope.w, expected, atol=1e-14)
    np.testing.assert_allclose(
        slope.a_bar, jnp.mean(r, axis=0) - rbm.occupancy(machine), atol=1e-14
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [1, 37])
def test_batch_sums(x, space, size):
    """In chunks, the moments and ln (Z p) of the points that the key chooses."""
    _, machine = space
    data = x[:, :5]
    found = sum_batch(machine, KEY, data, jnp.int32(size))
    batch = data[noise.draw_indices(KEY, size, 300)]
    expected = rbm.data_moments(machine, batch, jnp.full(size, 1 / size))
    assert_close(found.moments, expected, 1e-12)
    np.testing.assert_allclose(
        found.log_weight, np.mean(rbm.log_weight(machine, batch)), rtol=1e-12
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("kind", "negative"),
    [("softmax", "chain"), ("softmax", "exact"), ("binary", "chain")],
)
def test_step_by_hand(x, kind, negative):
    """RMSprop of the exact slope, or of the one with the chain's occupancy."""
    _, machine = random_rbm(kind)
    machine = eqx.tree_at(
        lambda m: (m.x_mean, m.parameters.a),
        machine,
        (jnp.mean(x[:, :5].astype(float), axis=0), jnp.zeros(5)),
    )
    config = Config(
        chain_length=6, negative=negative, decay=0.8, eps=1e-3, log_weight_rate=0.5,
        rate_steps=2.0,
    )  # fmt: skip
    start = init(KEY, machine.latent, x[:, :5], config, 0.03)
    state = eqx.tree_at(
        lambda s: (s.rbm, s.step, s.learning_rate),
        start,
        (machine, jnp.int32(2), jnp.float64(0.03)),
    )
    state = eqx.tree_at(
        lambda s: s.optimizer,
        state,
        jax.tree.map(lambda leaf: leaf.astype(float), state.optimizer),
    )
    found, info = step(config, state, x[:, :5], jnp.int32(20))

    key = jax.random.fold_in(state.key, 2)
    batch = x[:, :5][noise.draw_indices(key, 20, 300)]
    states = machine.latent.states()
    if negative == "exact":
        occupancy = rbm.occupancy(machine)
        np.testing.assert_array_equal(found.x, state.x)
    else:
        end, seen = sample_chain(rbm.to_model(machine), key, state.x, 6)
        occupancy = jnp.mean(jnp.exp(machine.latent.log_probs(seen.h)), axis=0)
        np.testing.assert_array_equal(found.x, end)
    gradient = rbm.gradient(
        machine,
        rbm.data_moments(machine, batch, jnp.full(20, 1 / 20)),
        rbm.latent_moments(machine, states, occupancy),
    )
    w, a_bar, position, share = gradient.w, gradient.a_bar, machine.parameters, 1.0
    if machine.latent.absorbs_visible_bias:
        mu = jax.nn.sigmoid(machine.parameters.w)
        w = w - (mu - machine.x_mean[:, None]) * a_bar[None]
        position, share = pcd.coordinates(machine), 0.5
    moved = [
        p + rate * g / np.sqrt(0.2 * g**2 + 1e-3)
        for p, g, rate in (
            (position.w, w, 0.015),
            (position.a, gradient.a, 0.015),
            (position.a_bar, a_bar, 0.015 * share),
        )
    ]
    expected = pcd.from_coordinates(machine, rbm.Parameters(*moved))
    assert_close(found.rbm.parameters, expected.parameters, 1e-6)
    np.testing.assert_allclose(
        info.log_likelihood, log_likelihood(machine, batch), rtol=1e-10
    )
    assert info.finite
    assert abs(found.rbm.parameters.w - machine.parameters.w).max() > 0.01


def test_train_is_repeated_train_step(x):
    """One program takes every batch size and learning rate."""
    config = Config(chain_length=8)
    start = init(KEY, LATENTS[1], x, config)
    end, infos = train(config, start, x, SIZES)
    state, compiled = start, step._cache_size()
    for k, size in enumerate(SIZES):
        state, info = step(config, state, x, size)
        np.testing.assert_allclose(
            info.log_likelihood, infos.log_likelihood[k], rtol=1e-4
        )
    assert_close(state, end, 1e-4)
    assert state.step == 4
    assert infos.finite.all()

    moved = []
    for rate in (0.1, 0.01):
        rated = eqx.tree_at(lambda s: s.learning_rate, start, jnp.float32(rate))
        found, _ = step(config, rated, x, SIZES[0])
        moved.append(abs(found.rbm.parameters.w - start.rbm.parameters.w).max())
    np.testing.assert_allclose(moved[0], 10 * moved[1], rtol=1e-4)
    assert step._cache_size() == compiled + 1


@pytest.mark.parametrize(
    ("latent", "negative"),
    [(LATENTS[0], "chain"), (LATENTS[0], "exact"), (LATENTS[1], "chain")],
    ids=str,
)
def test_likelihood_rises(x, latent, negative):
    """From the product of pixel means towards the best of the model's kind."""
    config = Config(negative=negative, rate_steps=100.0)
    state = init(jax.random.key(7), latent, x, config, 0.05)
    initial = log_likelihood(state.rbm, x)
    end, infos = train(config, state, x, jnp.full(800, 64))
    final = log_likelihood(end.rbm, x)
    # Three patterns: the RBM with three Bernoulli units has states to spare, but not
    # freely chosen ones.
    best = reference.best_mixture(np.asarray(x), 3)
    assert initial + 0.9 * (best - initial) < final < best + 0.1
    assert abs(np.mean(infos.log_likelihood[-100:]) - final) < 0.15
    assert infos.finite.all()
    assert end.rbm.parameters.a.any() == isinstance(latent, Binary)


def test_sampled_hidden_layer(x, monkeypatch):
    """Where states are not enumerated, PCD climbs too, and reports no likelihood."""
    monkeypatch.setattr("nelc_jax.latent.MAX_ENUMERATED", 1)
    config = Config(rate_steps=100.0)
    state = pcd.init(jax.random.key(7), Binary(3), x, config, 0.05)
    initial = rbm.log_likelihood(state.rbm, x)
    end, infos = jax.jit(partial(pcd.train, config))(state, x, jnp.full(500, 64))
    best = reference.best_mixture(np.asarray(x), 3)
    assert rbm.log_likelihood(end.rbm, x) > initial + 0.8 * (best - initial)
    assert np.isnan(infos.log_likelihood).all()
    assert infos.finite.all()


@pytest.fixture(scope="module")
def run(x):
    config = Config(chain_length=8)

    @jax.jit
    def run(members):
        def one(key):
            return pcd.train(config, pcd.init(key, LATENTS[0], x, config), x, SIZES)

        return jax.vmap(one)(ensemble.member_keys(KEY, members))

    return run


@pytest.fixture(scope="module")
def five(run):
    return run(jnp.arange(5))


def test_members_do_not_depend_on_company(run, five):
    """Member 2 of five, and alone."""
    alone = run(jnp.asarray([2]))
    assert_close(
        jax.tree.map(lambda leaf: leaf[2], five),
        jax.tree.map(lambda leaf: leaf[0], alone),
        1e-4,
    )
    assert len(np.unique(np.asarray(five[1].log_likelihood), axis=0)) == 5


def test_map_members(x, five):
    """Spread over two devices, the members are the same."""
    mesh = ensemble.member_mesh(4)
    assert mesh.size == 2
    config = Config(chain_length=8)

    def one(key, x):
        return pcd.train(config, pcd.init(key, LATENTS[0], x, config), x, SIZES)

    keys = ensemble.member_keys(KEY, jnp.arange(4))
    spread = jax.jit(ensemble.map_members(one, 1, mesh))(keys, x)
    assert_close(spread, jax.tree.map(lambda leaf: leaf[:4], five), 1e-4)


def from_sklearn(machine, x_mean):
    w = jnp.asarray(machine.components_.T, jnp.float32)
    c = jnp.asarray(machine.intercept_hidden_, jnp.float32)
    a = jnp.asarray(machine.intercept_visible_, jnp.float32)
    return rbm.Rbm(rbm.Parameters(w, a, c + x_mean @ w), x_mean, Binary(w.shape[1]))


def test_likelihood_trend_of_sklearn(x):
    """The same free energy; and both implementations of PCD climb as high."""
    x_mean = jnp.mean(x.astype(jnp.float32), axis=0)
    peer = BernoulliRBM(3, learning_rate=0.1, batch_size=20, random_state=0)
    rng, trend = np.random.default_rng(0), []
    for _ in range(60):
        # partial_fit takes the rows of one mini-batch.
        for batch in rng.permutation(np.asarray(x)).reshape(15, 20, 6):
            peer.partial_fit(batch)
        trend.append(log_likelihood(from_sklearn(peer, x_mean), x))
    translated = from_sklearn(peer, x_mean)
    np.testing.assert_allclose(
        rbm.log_weight(translated, x),
        -peer._free_energy(np.asarray(x, float)),
        rtol=1e-5,
        atol=1e-5,
    )
    config = Config(rate_steps=100.0)
    state = init(jax.random.key(7), Binary(3), x, config, 0.05)
    ours, _ = train(config, state, x, jnp.full(800, 64))
    rise = trend[-1] - trend[0]
    assert rise > 0.5
    assert np.corrcoef(trend, np.arange(60))[0, 1] > 0.7
    assert log_likelihood(ours.rbm, x) > trend[-1] - 0.1


@pytest.mark.parametrize(
    "bad",
    [
        {"chain_length": 0},
        {"negative": "none"},
        {"decay": 1.0},
        {"eps": 0.0},
        {"log_weight_rate": 0.0},
        {"rate_steps": -1.0},
    ],
    ids=str,
)
def test_bad_configuration(bad, unchecked):
    (name,) = bad
    with pytest.raises(ValueError, match=f"{name}="):
        Config(**bad)


def test_bad_arguments(x):
    with pytest.raises(ValueError, match="data point"):
        pcd.init(KEY, Binary(2), x[:0])
    with pytest.raises(ValueError, match="softmax"):
        pcd.init(KEY, OneHot(2), x)


def test_exact_phase_needs_enumeration(x):
    config = Config(negative="exact")
    state = pcd.init(KEY, Binary(12), x, config)
    with pytest.raises(ValueError, match="num_units=12"):
        pcd.train_step(config, state, x, jnp.int32(4))


def test_random_rbm_is_tied():
    """The shared systems are what the tests take them for."""
    system, machine = random_rbm("binary")
    np.testing.assert_array_equal(system.w_bar, system.w.T)
    np.testing.assert_allclose(rbm.to_model(machine).parameters.w_bar, system.w_bar)
