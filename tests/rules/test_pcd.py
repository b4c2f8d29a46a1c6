"""The RBM: start, coordinates and steps, and what many of them reach."""

from functools import partial

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM

from nelc_jax import Binary, OneHot, Pcd, State, rmsprop, sample_chain, train
from nelc_jax._random import draw_indices
from nelc_jax.baselines import rbm
from nelc_jax.rules import ExactPhase, PersistentChain
from nelc_jax.rules._phases import (
    coordinates,
    data_moments,
    from_coordinates,
    phase_gradient,
)

from .. import reference
from ..baselines.rbms import random_rbm

KEY = jax.random.key(1)
LATENTS = (OneHot(3, "softmax"), Binary(3))


def slowing(step):
    """The rate of `test_likelihood_rises`: halved after 100 steps."""
    return 0.05 / (1 + (step / 100) ** 2)


SLOWING = rmsprop(slowing)
MANY = jnp.asarray(np.full(800, 64))

log_likelihood = jax.jit(rbm.log_likelihood)
occupancy = jax.jit(rbm.occupancy)


@pytest.fixture(params=("softmax", "binary"))
def machine(request):
    return random_rbm(request.param)[1]


@pytest.mark.parametrize("latent", LATENTS, ids=str)
def test_init(x, latent):
    """The forward weights of App. A1; one-hot states alike, a unit alone half on."""
    rule = Pcd(latent, optimizer=rmsprop(0.05))
    state = jax.jit(rule.init)(KEY, x)
    assert state.step == 0
    np.testing.assert_allclose(state.model.x_mean, np.mean(x, axis=0), rtol=1e-6)
    found = np.asarray(occupancy(state.model))
    if isinstance(latent, OneHot):
        np.testing.assert_allclose(found, 1 / 3, rtol=1e-5)
        assert not np.asarray(state.model.parameters.a).any()
    else:
        np.testing.assert_allclose(found[np.array([1, 2, 4])], found[0], rtol=1e-4)
    single = reference.best_mixture(np.asarray(x), 1)
    assert abs(log_likelihood(state.model, x) - single) < 0.2
    # What measurements need of a state.
    np.testing.assert_array_equal(rule.occupancy(state), found)
    chex.assert_trees_all_equal(rule.model(state), rbm.to_model(state.model))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("kind", "negative", "size"),
    [
        ("softmax", PersistentChain(6), 37),
        ("softmax", ExactPhase(), 1),
        ("binary", PersistentChain(6), 20),
    ],
)
def test_step_by_hand(x, kind, negative, size):
    """RMSprop of the exact slope, or of the one with the chain's occupancy.

    On the points that the key chooses, of less than a chunk or in several.
    """
    data = np.asarray(x)[:, :5]
    _, machine = random_rbm(kind)
    machine = eqx.tree_at(
        lambda m: (m.x_mean, m.parameters.a),
        machine,
        (jnp.asarray(data.mean(0)), jnp.asarray(np.zeros(5))),
    )
    rule = Pcd(machine.latent, negative, rmsprop(0.015, 0.8, 1e-3), 0.5)
    fresh = rule.init(KEY, jnp.asarray(data))
    state = State(machine, fresh.optimizer, jnp.asarray(data[0]), KEY, jnp.int32(2))
    found, info = jax.jit(rule.step)(state, jnp.asarray(data), jnp.int32(size))

    key = jax.random.fold_in(state.key, 2)
    batch = jnp.asarray(data[np.asarray(draw_indices(key, size, 300))])
    if isinstance(negative, ExactPhase):
        weights = occupancy(machine)
        np.testing.assert_array_equal(found.x, state.x)
    else:
        run = jax.jit(lambda key: sample_chain(rbm.to_model(machine), key, state.x, 6))
        end, seen = run(key)
        weights = np.exp(np.asarray(machine.latent.log_probs(seen.h))).mean(axis=0)
        np.testing.assert_array_equal(found.x, end)

    @jax.jit
    def slope(machine, weights):
        return phase_gradient(
            machine,
            data_moments(machine, batch, jnp.full(size, 1 / size)),
            rbm.latent_moments(machine, machine.latent.states(), weights),
        )

    gradient = jax.tree.map(np.asarray, slope(machine, jnp.asarray(weights)))
    w, a_bar, position, share = gradient.w, gradient.a_bar, machine.parameters, 1.0
    if machine.latent.absorbs_visible_bias:
        mu = reference.sigmoid(np.asarray(machine.parameters.w))
        w = w - (mu - np.asarray(machine.x_mean)[:, None]) * a_bar
        position, share = coordinates(machine), 0.5
    moved = [
        jnp.asarray(p + rate * g / np.sqrt(0.2 * g**2 + 1e-3))
        for p, g, rate in (
            (np.asarray(position.w), w, 0.015),
            (np.asarray(position.a), gradient.a, 0.015),
            (np.asarray(position.a_bar), a_bar, 0.015 * share),
        )
    ]
    expected = from_coordinates(machine, rbm.Parameters(*moved))
    chex.assert_trees_all_close(
        found.model.parameters, expected.parameters, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        info.log_likelihood, log_likelihood(machine, batch), rtol=1e-10
    )
    assert info.finite
    change = np.asarray(found.model.parameters.w) - np.asarray(machine.parameters.w)
    assert abs(change).max() > 0.01


# Of 24 keys, the worst end at shares of 0.998 (softmax) and 0.82 (binary). A draw that
# rounding flips is as good as another key.
@pytest.mark.parametrize(
    ("latent", "negative", "share"),
    [
        (LATENTS[0], PersistentChain(), 0.97),
        (LATENTS[0], ExactPhase(), 0.97),
        (LATENTS[1], PersistentChain(), 0.7),
    ],
    ids=str,
)
def test_likelihood_rises(x, latent, negative, share):
    """From the product of pixel means towards the best of the model's kind."""
    rule = Pcd(latent, negative, SLOWING)
    state = rule.init(jax.random.key(7), x)
    initial = log_likelihood(state.model, x)
    end, infos = jax.jit(partial(train, rule))(state, x, MANY)
    final = log_likelihood(end.model, x)
    # Three patterns: the RBM with three Bernoulli units has states to spare, but not
    # freely chosen ones.
    best = reference.best_mixture(np.asarray(x), 3)
    assert initial + share * (best - initial) < final < best + 0.1
    assert abs(np.mean(np.asarray(infos.log_likelihood)[-100:]) - final) < 0.15
    assert np.asarray(infos.finite).all()
    assert np.asarray(end.model.parameters.a).any() == isinstance(latent, Binary)
    if isinstance(latent, Binary):
        assert final > likelihood_of_sklearn(x) - 0.1


def from_sklearn(peer, x_mean):
    w = jnp.asarray(peer.components_.T, jnp.float32)
    c = jnp.asarray(peer.intercept_hidden_, jnp.float32)
    a = jnp.asarray(peer.intercept_visible_, jnp.float32)
    return rbm.Rbm(rbm.Parameters(w, a, c + x_mean @ w), x_mean, Binary(w.shape[1]))


def likelihood_of_sklearn(x):
    """What its PCD reaches; its free energy is ours all the way up."""
    x_mean = jnp.mean(x.astype(jnp.float32), axis=0)
    peer = BernoulliRBM(3, learning_rate=0.1, batch_size=20, random_state=0)
    rng, trend = np.random.default_rng(0), []
    for _ in range(60):
        # partial_fit takes the rows of one mini-batch.
        for batch in rng.permutation(np.asarray(x)).reshape(15, 20, 6):
            peer.partial_fit(batch)
        trend.append(log_likelihood(from_sklearn(peer, x_mean), x))
    np.testing.assert_allclose(
        jax.jit(rbm.log_weight)(from_sklearn(peer, x_mean), x),
        -peer._free_energy(np.asarray(x, float)),
        rtol=1e-5,
        atol=1e-5,
    )
    assert trend[-1] - trend[0] > 0.5
    assert np.corrcoef(trend, np.arange(60))[0, 1] > 0.7
    return trend[-1]


def test_sampled_hidden_layer(x):
    """Where states are not enumerated, PCD climbs too, and reports no likelihood."""
    rule = Pcd(Binary(3, enumerate_up_to=1), optimizer=SLOWING)
    state = rule.init(jax.random.key(7), x)
    initial = log_likelihood(state.model, x)
    end, infos = jax.jit(partial(train, rule))(state, x, MANY[:500])
    best = reference.best_mixture(np.asarray(x), 3)
    # The worst of 24 keys ends at a share of 0.805.
    assert log_likelihood(end.model, x) > initial + 0.7 * (best - initial)
    assert np.isnan(infos.log_likelihood).all()
    assert np.asarray(infos.finite).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PersistentChain(0), "chain_length=0"),
        (lambda: Pcd(Binary(2), log_weight_rate=0.0), "log_weight_rate=0"),
        (lambda: Pcd(OneHot(2)), "softmax"),
    ],
)
def test_bad_settings(unchecked, make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_no_data():
    with pytest.raises(ValueError, match="data point"):
        Pcd(Binary(2)).init(KEY, jnp.zeros((0, 6), bool))


def test_exact_phase_needs_enumeration(x):
    rule = Pcd(Binary(12), ExactPhase())
    state = jax.eval_shape(lambda: rule.init(KEY, x))
    with pytest.raises(ValueError, match="num_units=12"):
        jax.eval_shape(rule.step, state, x, jnp.int32(4))
