"""An exchange of latent states: its bounds, and that it finds the better optimum."""

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary, Model, OneHot, Parameters, optima, split_merge
from nelc_jax.baselines import mixture
from nelc_jax.baselines.mixture import BernoulliMixture

KEY = jax.random.key(5)
PATTERNS = np.kron(np.eye(4), np.ones(4))
"""Four patterns of 16 bits, without a bit in common."""


@pytest.fixture(scope="module")
def points():
    """400 points, as many of each pattern, a tenth of the bits the other way."""
    rng = np.random.default_rng(1)
    kinds = np.repeat(np.arange(4), 100)
    flipped = rng.random((400, 16)) < 0.1
    return jnp.asarray((PATTERNS[kinds] > 0.5) ^ flipped)


def model_of(means):
    """A model of these means of its states, and backward weights that tell them."""
    count, num_visible = means.shape
    clipped = np.clip(means, 0.1, 0.9)
    rows = jnp.arange(count, dtype=jnp.float32)
    return Model(
        Parameters(
            w=jnp.asarray(np.log(clipped / (1 - clipped)).T, jnp.float32),
            a=jnp.zeros(num_visible),
            w_bar=jnp.tile(rows[:, None], (1, num_visible)),
            a_bar=rows,
        ),
        jnp.full(num_visible, 0.25),
        OneHot(count),
    )


def mixture_of(count, num_visible, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(count, 5.0))
    logits = rng.standard_normal((count, num_visible))
    return BernoulliMixture(jnp.asarray(np.log(weights)), jnp.asarray(logits))


exchanged = jax.jit(split_merge)


def test_a_poor_optimum_is_left(points):
    # States 0 and 1 share the first pattern, and state 2 has two patterns for itself.
    shared = 0.5 * (PATTERNS[1] + PATTERNS[2])
    poor = model_of(np.stack([PATTERNS[0], PATTERNS[0], shared, PATTERNS[3]]))
    found = exchanged(KEY, poor, points)
    assert found.latent == poor.latent
    means = np.asarray(jax.nn.sigmoid(found.parameters.w.T))
    nearest = np.argmin(np.abs(means[:, None] - PATTERNS).mean(-1), axis=1)
    assert sorted(nearest) == [0, 1, 2, 3]
    # One of the states 0 and 1 has become a half of state 2, and is reached like it.
    rows = sorted(np.asarray(found.parameters.a_bar))
    assert rows in ([0, 2, 2, 3], [1, 2, 2, 3])
    np.testing.assert_array_equal(
        found.parameters.w_bar, np.tile(found.parameters.a_bar[:, None], (1, 16))
    )
    taken = int(np.flatnonzero(np.asarray(found.parameters.a_bar) != np.arange(4))[0])
    assert {nearest[taken], nearest[2]} == {1, 2}


def test_a_state_that_is_never_visited_is_put_to_use(points):
    """No point belongs to state 0; of three others one has two patterns."""
    shared = 0.5 * (PATTERNS[1] + PATTERNS[2])
    poor = model_of(np.stack([PATTERNS[0], PATTERNS[0], shared, PATTERNS[3]]))
    # All bits on: exp(-300) for each that is off.
    w = poor.parameters.w.at[:, 0].set(300)
    found = exchanged(KEY, eqx.tree_at(lambda m: m.parameters.w, poor, w), points)
    means = np.asarray(jax.nn.sigmoid(found.parameters.w.T))
    nearest = np.argmin(np.abs(means[:, None] - PATTERNS).mean(-1), axis=1)
    assert sorted(nearest) == [0, 1, 2, 3]


def test_a_good_optimum_is_kept(points):
    good = model_of(PATTERNS)
    chex.assert_trees_all_equal(exchanged(KEY, good, points), good)


def test_two_states_cannot_be_exchanged(points):
    two = model_of(PATTERNS[:2])
    chex.assert_trees_all_equal(split_merge(KEY, two, points), two)


def test_a_member_is_the_same_beside_others(points):
    shared = 0.5 * (PATTERNS[1] + PATTERNS[2])
    poor = model_of(np.stack([PATTERNS[0], PATTERNS[0], shared, PATTERNS[3]]))
    members = jax.tree.map(lambda *a: jnp.stack(a), poor, model_of(PATTERNS))
    both = jax.jit(jax.vmap(split_merge, in_axes=(None, 0, None)))(KEY, members, points)
    alone = exchanged(KEY, poor, points)
    first = jax.tree.map(lambda a: a[0], both)
    second = jax.tree.map(lambda a: a[1], both)
    # Products of other shapes add up in another order: 24 sweeps over 400 points.
    chex.assert_trees_all_close(first, alone, atol=24 * 400 * 6e-8)
    chex.assert_trees_all_equal(second, model_of(PATTERNS))


@pytest.mark.usefixtures("x64")
def test_the_gain_is_a_lower_bound():
    """The mixture of an exchange, before any step of EM, gains at least as much."""
    points = jnp.asarray(np.random.default_rng(2).random((60, 8)) < 0.4)
    best = jax.jit(optima._best_exchange)
    for seed in range(5):
        # After a step of EM: the bound is on what follows it.
        now, _ = jax.jit(mixture.em_step)(mixture_of(4, 8, seed), points)
        found = best(jax.random.key(seed), now, points)
        gained = mixture.log_likelihood(found.mixture, points)
        gained -= mixture.log_likelihood(now, points)
        assert float(found.gain) <= float(gained) + 1e-12
        # Of all components one is split that is not merged.
        assert int(found.split) not in np.asarray(found.merged)
        np.testing.assert_allclose(np.exp(found.mixture.log_weights).sum(), 1)


@pytest.mark.usefixtures("x64")
def test_loss_of_a_merger_by_brute_force():
    """sum_m sum_k r_k ln(weight_k p_k / r_k), before less after, by loops."""
    points = np.random.default_rng(3).random((30, 5)) < 0.4
    rng = np.random.default_rng(4)
    r = rng.dirichlet(np.ones(3), 30).T
    losses = jax.jit(optima._merge_losses)(r, r @ points, r.sum(1))

    def best(r):
        """A component's part of the bound at its best weight and means."""
        weight, means = r.sum() / 30, r @ points / r.sum()
        law = np.where(points, means, 1 - means).prod(1)
        return np.sum(r * np.log(weight * law / r))

    for i in range(3):
        for j in range(3):
            if i != j:
                loss = best(r[i]) + best(r[j]) - best(r[i] + r[j])
                np.testing.assert_allclose(losses[i, j], loss, rtol=1e-11)


@pytest.mark.usefixtures("x64")
def test_halves_by_brute_force():
    """Weighted EM: a point of weight 2 is the point twice."""
    points = jnp.asarray(np.random.default_rng(6).random((12, 5)) < 0.5)
    weights = np.resize([1.0, 2.0], 12)
    twice = points[np.repeat(np.arange(12), weights.astype(int))]
    step = jax.jit(mixture.em_step)
    weighted = step(mixture_of(2, 5), points, jnp.asarray(weights))
    chex.assert_trees_all_close(weighted, step(mixture_of(2, 5), twice), rtol=1e-12)


def test_refusals(points):
    model = model_of(PATTERNS)
    binary = eqx.tree_at(lambda m: m.latent, model, Binary(4))
    with pytest.raises(TypeError, match=r"^model.latent=Binary.*: expected .*OneHot"):
        split_merge(KEY, binary, points)
    with pytest.raises(ValueError, match=r"^x"):
        split_merge(KEY, model, points[:0])
    with pytest.raises(ValueError, match=r"^x"):
        split_merge(KEY, model, 2 * points.astype(int))
