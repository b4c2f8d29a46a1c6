"""A latent space, an estimator and a negative phase from outside of the library.

Each a few lines; they train, are saved and loaded.
"""

from functools import partial

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nelc_jax
from nelc_jax import AbstractLatent, Cycles, OneHot, Pcd, TrajectoryGradient, train
from nelc_jax.baselines import rbm
from nelc_jax.rules import AbstractNegativePhase

from . import reference
from .trajectories import short_trajectory

SIZES = jnp.asarray(np.full(200, 32))


class AtMostOne(AbstractLatent):
    """All bits off, or one of them on: p(z|x) ∝ exp(z·h) of L + 1 states."""

    num_units: int = eqx.field(static=True)

    @property
    def num_states(self):
        return self.num_units + 1

    @property
    def num_uniforms(self):
        return self.num_units + 1

    @property
    def exponential(self):
        return True

    def states(self):
        return jnp.eye(self.num_states, self.num_units, -1, dtype=bool)

    def log_prob(self, h, z):
        return jnp.sum(z * h, axis=-1) - jax.nn.logsumexp(self.weights(h), axis=-1)

    def noise(self, uniforms):
        return -jnp.log(-jnp.log(uniforms))

    def draw(self, noise, h):
        return self.states()[jnp.argmax(self.weights(h) + noise, axis=-1)]

    def weights(self, h):
        return jnp.concatenate([jnp.zeros_like(h[..., :1]), h], axis=-1)


class Halved(TrajectoryGradient):
    """Half of the paper's gradient."""

    def gradient(self, model, sample, support, sums):
        found = super().gradient(model, sample, support, sums)
        half = jax.tree.map(lambda g: g / 2, found.gradient)
        return eqx.tree_at(lambda f: f.gradient, found, half)


class FreshChain(AbstractNegativePhase):
    """Contrastive divergence that starts anew from pixels of the data's means."""

    def moments(self, rbm_, key, x):
        start_key, chain_key = jax.random.split(key)
        x = jax.random.bernoulli(start_key, rbm_.x_mean)
        model = rbm.to_model(rbm_)
        x_end, seen = nelc_jax.sample_chain(model, chain_key, x, 8)
        return x_end, rbm.latent_moments(rbm_, seen.z, jnp.full(8, 1 / 8))


RULES = {
    "latent": Cycles(AtMostOne(3)),
    "estimator": Cycles(OneHot(3), Halved()),
    "negative phase": Pcd(OneHot(3, "softmax"), FreshChain()),
    "both": Pcd(AtMostOne(2), FreshChain()),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_trains_is_saved_and_loaded(tmp_path, x, rule):
    start = rule.init(jax.random.key(1), x)
    state, infos = jax.jit(partial(train, rule))(start, x, SIZES)
    assert infos.finite.all()
    likelihoods = np.asarray(infos.log_likelihood)
    assert likelihoods[-20:].mean() > likelihoods[:20].mean() + 0.2

    path = tmp_path / "model.safetensors"
    model = rule.model(state)
    nelc_jax.save(path, model)
    loaded = nelc_jax.load(path, latents=(AtMostOne,))
    chex.assert_trees_all_equal(loaded, model)
    assert loaded.latent == rule.latent
    if isinstance(rule.latent, AtMostOne):
        with pytest.raises(ValueError, match="AtMostOne: expected one of OneHot, Bin"):
            nelc_jax.load(path)


@pytest.mark.usefixtures("x64")
def test_derived_members_of_an_outside_space():
    """Against sums over its four states, written out."""
    space = AtMostOne(3)
    h = np.random.default_rng(0).normal(size=(6, 3))
    states = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    p = np.exp(h @ states.T)
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(space.log_probs(jnp.asarray(h))), p, rtol=1e-12)
    np.testing.assert_allclose(space.mean(jnp.asarray(h)), p @ states, rtol=1e-12)
    z = jnp.asarray(states[[0, 1, 2, 3, 1, 0]], bool)
    score = space.score(jnp.asarray(h), z, "exact")
    np.testing.assert_allclose(score, z - p @ states, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(space.index(z), [0, 1, 2, 3, 1, 0])


@pytest.mark.usefixtures("x64")
def test_an_outside_estimator_is_asked(data):
    system = reference.random_system("sigmoid")
    model, x = reference.to_model(system), jnp.asarray(data)
    sample = short_trajectory(system)

    @jax.jit
    def both(model, sample, x):
        whole = TrajectoryGradient().estimate(model, sample, x).gradient
        return jax.tree.map(lambda g: g / 2, whole), Halved().estimate(model, sample, x)

    expected, found = both(model, sample, x)
    chex.assert_trees_all_close(found.gradient, expected, rtol=1e-14)
