"""Training of the RBM by many steps: what it reaches, alone and in company."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM

from nelc_jax import ensemble
from nelc_jax.baselines import pcd, rbm
from nelc_jax.baselines.pcd import Config
from nelc_jax.latent import Binary, OneHot

from .. import reference
from .machines import assert_close

LATENTS = (OneHot(3, "softmax"), Binary(3))
KEY = jax.random.key(1)
SHORT = Config(chain_length=8)
SLOWING = Config(rate_steps=100.0)
SIZES = jnp.asarray([4, 20, 6, 33])
MANY = jnp.asarray(np.full(800, 64))

train = jax.jit(pcd.train, static_argnums=0)
step = jax.jit(pcd.train_step, static_argnums=0)
log_likelihood = jax.jit(rbm.log_likelihood)
init = jax.jit(pcd.init, static_argnums=1)


def member(number, x):
    """Start and end of a member of an ensemble, trained alone, and its infos."""
    start = init(jax.random.fold_in(KEY, number), LATENTS[1], x, None, 0.1)
    return start, *train(SHORT, start, x, SIZES)


def test_train_is_repeated_train_step(x):
    """One program takes every batch size and learning rate."""
    start, end, infos = member(0, x)
    state, compiled = start, step._cache_size()
    for k, size in enumerate(SIZES):
        state, info = step(SHORT, state, x, size)
        np.testing.assert_allclose(
            info.log_likelihood, infos.log_likelihood[k], rtol=1e-4
        )
    assert_close(state, end, 1e-4)
    assert state.step == 4
    assert np.asarray(infos.finite).all()

    moved = []
    for rate in (0.1, 0.01):
        rated = eqx.tree_at(lambda s: s.learning_rate, start, jnp.float32(rate))
        found, _ = step(SHORT, rated, x, SIZES[0])
        before, after = (np.asarray(s.rbm.parameters.w) for s in (start, found))
        moved.append(abs(after - before).max())
    np.testing.assert_allclose(moved[0], 10 * moved[1], rtol=1e-4)
    assert step._cache_size() == compiled + 1


def test_members_do_not_depend_on_company_nor_on_devices(x):
    """Four of them, spread over two devices, and each alone."""
    mesh = ensemble.member_mesh(4, jax.local_devices()[:2])
    assert mesh.size == 2

    def one(key, x):
        return pcd.train(SHORT, pcd.init(key, LATENTS[1], x, SHORT), x, SIZES)

    @jax.jit
    def spread(x):
        keys = ensemble.member_keys(KEY, jnp.arange(4))
        return ensemble.map_members(one, 1, mesh)(keys, x)

    together = spread(x)
    for number in range(4):
        _, *alone = member(number, x)
        of_member = jax.tree.map(lambda leaf, n=number: leaf[n], together)
        assert_close(of_member, tuple(alone), 1e-4)
    assert len(np.unique(np.asarray(together[1].log_likelihood), axis=0)) == 4


# Of 24 keys, the worst end at shares of 0.998 (softmax) and 0.82 (binary). A draw that
# rounding flips is as good as another key.
@pytest.mark.parametrize(
    ("latent", "negative", "share"),
    [
        (LATENTS[0], "chain", 0.97),
        (LATENTS[0], "exact", 0.97),
        (LATENTS[1], "chain", 0.7),
    ],
    ids=str,
)
def test_likelihood_rises(x, latent, negative, share):
    """From the product of pixel means towards the best of the model's kind."""
    config = Config(negative=negative, rate_steps=100.0)
    state = init(jax.random.key(7), latent, x, None, 0.05)
    initial = log_likelihood(state.rbm, x)
    end, infos = train(config, state, x, MANY)
    final = log_likelihood(end.rbm, x)
    # Three patterns: the RBM with three Bernoulli units has states to spare, but not
    # freely chosen ones.
    best = reference.best_mixture(np.asarray(x), 3)
    assert initial + share * (best - initial) < final < best + 0.1
    assert abs(np.mean(np.asarray(infos.log_likelihood)[-100:]) - final) < 0.15
    assert np.asarray(infos.finite).all()
    assert np.asarray(end.rbm.parameters.a).any() == isinstance(latent, Binary)


def test_sampled_hidden_layer(x, monkeypatch):
    """Where states are not enumerated, PCD climbs too, and reports no likelihood."""
    monkeypatch.setattr("nelc_jax.latent.MAX_ENUMERATED", 1)
    state = init(jax.random.key(7), Binary(3), x, None, 0.05)
    initial = log_likelihood(state.rbm, x)
    # A function of its own: `train` may hold the program for enumerated states.
    sampled = jax.jit(
        lambda state, x: pcd.train(Config(rate_steps=100.0), state, x, MANY[:500])
    )
    end, infos = sampled(state, x)
    best = reference.best_mixture(np.asarray(x), 3)
    # The worst of 24 keys ends at a share of 0.805.
    assert log_likelihood(end.rbm, x) > initial + 0.7 * (best - initial)
    assert np.isnan(infos.log_likelihood).all()
    assert np.asarray(infos.finite).all()


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
        jax.jit(rbm.log_weight)(translated, x),
        -peer._free_energy(np.asarray(x, float)),
        rtol=1e-5,
        atol=1e-5,
    )
    state = init(jax.random.key(7), Binary(3), x, None, 0.05)
    ours, _ = train(SLOWING, state, x, MANY)
    rise = trend[-1] - trend[0]
    assert rise > 0.5
    assert np.corrcoef(trend, np.arange(60))[0, 1] > 0.7
    assert log_likelihood(ours.rbm, x) > trend[-1] - 0.1
