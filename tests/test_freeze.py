"""Members that go non-finite stay at their last sound state; the others go on."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Cycles, OneHot, TrajectoryGradient, ensemble
from nelc_jax.training import freeze

RULE = Cycles(OneHot(3), TrajectoryGradient(chain_length=8))
RATES = jnp.float32([0.1, 1e38, 0.1])
"""The second member's weights overflow after a few steps."""


@pytest.fixture(scope="module")
def start(x):
    members = jnp.arange(3)
    return jax.jit(lambda: ensemble.init(RULE, jax.random.key(2), members, x, RATES))()


def rows(states, row):
    return jax.tree.map(lambda array: array[row], states)


def finite_members(states):
    """Brute force: the members without any number that is not finite."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(states.model)]
    return np.all([np.isfinite(a.reshape(3, -1)).all(axis=1) for a in leaves], axis=0)


def test_the_last_finite_state_is_kept(x, start):
    """Step by step, against the same steps without `freeze`, bit for bit."""

    @jax.jit
    def step(states):
        def one(state):
            return RULE.step(state, x, jnp.int32(6))

        new, info = jax.vmap(one)(states)
        return new, jax.vmap(freeze)(states, new, info.finite)

    free, frozen, history = start, start, [start]
    for _ in range(16):
        free, _ = step(free)
        history.append(free)
        _, frozen = step(frozen)
    sound = np.array([finite_members(states) for states in history])
    # Without it the second member is lost for good, and only that one.
    assert sound[:, [0, 2]].all()
    last = int(sound[:, 1].sum()) - 1
    assert 0 < last < 15
    assert not sound[last + 1 :, 1].any()
    assert finite_members(frozen).all()
    for row, at in ((0, 16), (1, last), (2, 16)):
        chex.assert_trees_all_equal(rows(frozen, row), rows(history[at], row))
        assert frozen.step[row] == at


def test_a_chunk_that_fails_is_undone(x, start):
    sizes = jnp.full(16, 6)

    @jax.jit
    def chunk(states):
        new, info = ensemble.train(RULE, states, x, sizes)
        return new, info, jax.vmap(freeze)(states, new, info.finite)

    new, info, kept = chunk(start)
    np.testing.assert_array_equal(info.finite.all(axis=1), [True, False, True])
    np.testing.assert_array_equal(kept.step, [16, 0, 16])
    for row, expected in enumerate((new, start, new)):
        chex.assert_trees_all_equal(rows(kept, row), rows(expected, row))


@pytest.mark.parametrize("bad", [jnp.inf, -jnp.inf, jnp.nan])
def test_numbers_that_no_step_has_seen_yet(x, start, bad):
    """The last update of all may overflow, after a step that went well."""
    old = rows(start, 0)
    new = replace(old, step=old.step + 1)
    well = jnp.array(True)
    assert freeze(old, new, well).step == 1
    assert freeze(old, new, ~well).step == 0
    assert freeze(old, new, jnp.array([True, False, True])).step == 0
    parameters = new.model.parameters
    for name in ("w", "a_bar"):
        broken = {name: getattr(parameters, name).at[0].set(bad)}
        model = replace(new.model, parameters=replace(parameters, **broken))
        assert freeze(old, replace(new, model=model), well).step == 0
    # The best of no values is infinite, and no fault of an optimiser.
    optimizer = jax.tree.map(
        lambda a: jnp.full_like(a, bad) if a.dtype.kind == "f" else a, new.optimizer
    )
    found = freeze(old, replace(new, optimizer=optimizer), well)
    assert found.step == (0 if jnp.isnan(bad) else 1)
