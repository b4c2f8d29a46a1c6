"""One gradient step of the RBM: start, coordinates, mini-batch and the step itself."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nelc_jax import chain, noise
from nelc_jax.baselines import pcd, rbm
from nelc_jax.baselines.pcd import Config
from nelc_jax.latent import Binary, OneHot

from .. import reference
from .machines import assert_close, random_rbm

KEY = jax.random.key(1)

step = jax.jit(pcd.train_step, static_argnums=0)
log_likelihood = jax.jit(rbm.log_likelihood)
occupancy = jax.jit(rbm.occupancy)
sum_batch = jax.jit(pcd.sum_batch)
init = jax.jit(pcd.init, static_argnums=1)
sample_chain = jax.jit(chain.sample_chain, static_argnums=3)
coordinates = jax.jit(pcd.coordinates)
from_coordinates = jax.jit(pcd.from_coordinates)
data_moments = jax.jit(rbm.data_moments)
log_weight = jax.jit(rbm.log_weight)
latent_log_weight = jax.jit(rbm.latent_log_weight)


@pytest.mark.parametrize("latent", [OneHot(3, "softmax"), Binary(3)], ids=str)
def test_init(x, latent):
    """The forward weights of App. A1; one-hot states alike, a unit alone half on."""
    state = init(KEY, latent, x, Config(), 0.05)
    assert (state.step, state.learning_rate) == (0, np.float32(0.05))
    np.testing.assert_allclose(state.rbm.x_mean, np.mean(x, axis=0), rtol=1e-6)
    found = np.asarray(occupancy(state.rbm))
    if isinstance(latent, OneHot):
        np.testing.assert_allclose(found, 1 / 3, rtol=1e-5)
        assert not np.asarray(state.rbm.parameters.a).any()
    else:
        np.testing.assert_allclose(found[np.array([1, 2, 4])], found[0], rtol=1e-4)
    single = reference.best_mixture(np.asarray(x), 1)
    assert abs(log_likelihood(state.rbm, x) - single) < 0.2


@pytest.mark.usefixtures("x64")
def test_coordinates(pair, points):
    """There and back; the slope along them is r_b (m_b - mu_b), free of p_bar."""
    _, machine = pair
    if machine.latent.absorbs_visible_bias:
        zeros = jnp.asarray(np.zeros(5))
        machine = eqx.tree_at(lambda m: m.parameters.a, machine, zeros)
    position = coordinates(machine)
    back = from_coordinates(machine, position)
    assert_close(back.parameters, machine.parameters, 1e-13)
    if not machine.latent.absorbs_visible_bias:
        return
    np.testing.assert_allclose(
        position.a_bar,
        latent_log_weight(machine, machine.latent.states()),
        rtol=1e-12,
    )

    @jax.jit
    def slope(position):
        def value(position):
            return rbm.log_likelihood(pcd.from_coordinates(machine, position), points)

        r = machine.latent.mean(rbm.backward_field(rbm.to_model(machine), points))
        return jax.grad(value)(position), r

    slope, r = jax.tree.map(np.asarray, slope(position))
    mu = reference.sigmoid(np.asarray(machine.parameters.w))
    data = np.asarray(points)
    expected = np.einsum("mb,mdb->db", r, data[:, :, None] - mu) / 4
    np.testing.assert_allclose(slope.w, expected, atol=1e-14)
    np.testing.assert_allclose(
        slope.a_bar, r.mean(axis=0) - occupancy(machine), atol=1e-14
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [1, 37])
def test_batch_sums(x, pair, size):
    """In chunks, the moments and ln (Z p) of the points that the key chooses."""
    _, machine = pair
    data = np.asarray(x)[:, :5]
    found = sum_batch(machine, KEY, jnp.asarray(data), jnp.int32(size))
    batch = data[np.asarray(noise.draw_indices(KEY, size, 300))]
    # One program for both sizes: more points, without weight.
    padded = jnp.asarray(np.resize(batch, (40, 5)))
    weights = np.where(np.arange(40) < size, 1 / size, 0)
    expected = data_moments(machine, padded, jnp.asarray(weights))
    assert_close(found.moments, expected, 1e-12)
    np.testing.assert_allclose(
        found.log_weight, weights @ np.asarray(log_weight(machine, padded)), rtol=1e-12
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("kind", "negative"),
    [("softmax", "chain"), ("softmax", "exact"), ("binary", "chain")],
)
def test_step_by_hand(x, kind, negative):
    """RMSprop of the exact slope, or of the one with the chain's occupancy."""
    data = np.asarray(x)[:, :5]
    _, machine = random_rbm(kind)
    machine = eqx.tree_at(
        lambda m: (m.x_mean, m.parameters.a),
        machine,
        (jnp.asarray(data.mean(0)), jnp.asarray(np.zeros(5))),
    )
    config = Config(
        chain_length=6, negative=negative, decay=0.8, eps=1e-3, log_weight_rate=0.5,
        rate_steps=2.0,
    )  # fmt: skip
    state = pcd.State(
        rbm=machine,
        optimizer=optax.scale_by_rms().init(machine.parameters),
        x=jnp.asarray(data[0]),
        key=KEY,
        step=jnp.int32(2),
        learning_rate=jnp.float64(0.03),
    )
    found, info = step(config, state, jnp.asarray(data), jnp.int32(20))

    key = jax.random.fold_in(state.key, 2)
    batch = jnp.asarray(data[np.asarray(noise.draw_indices(key, 20, 300))])
    if negative == "exact":
        weights = occupancy(machine)
        np.testing.assert_array_equal(found.x, state.x)
    else:
        end, seen = sample_chain(rbm.to_model(machine), key, state.x, 6)
        weights = np.exp(np.asarray(machine.latent.log_probs(seen.h))).mean(axis=0)
        np.testing.assert_array_equal(found.x, end)

    @jax.jit
    def slope(machine, weights):
        return rbm.gradient(
            machine,
            rbm.data_moments(machine, batch, jnp.full(20, 1 / 20)),
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
    assert_close(found.rbm.parameters, expected.parameters, 1e-6)
    np.testing.assert_allclose(
        info.log_likelihood, log_likelihood(machine, batch), rtol=1e-10
    )
    assert info.finite
    change = np.asarray(found.rbm.parameters.w) - np.asarray(machine.parameters.w)
    assert abs(change).max() > 0.01


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
        pcd.init(KEY, Binary(2), jnp.zeros((0, 6), bool))
    with pytest.raises(ValueError, match="softmax"):
        jax.eval_shape(lambda: pcd.init(KEY, OneHot(2), x))


def test_exact_phase_needs_enumeration(x):
    config = Config(negative="exact")
    state = jax.eval_shape(lambda: pcd.init(KEY, Binary(12), x, config))
    with pytest.raises(ValueError, match="num_units=12"):
        jax.eval_shape(partial(pcd.train_step, config), state, x, jnp.int32(4))


def test_random_rbm_is_tied():
    """The shared systems are what the tests take them for."""
    system, machine = random_rbm("binary")
    np.testing.assert_array_equal(system.w_bar, system.w.T)
    np.testing.assert_allclose(rbm.to_model(machine).parameters.w_bar, system.w_bar)
