"""The recipe for the best models: what happens after which epoch."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.training.recipes import DECAY, FALL, Best
from experiments.training.settings import Settings
from nelc_jax import Cycles, OneHot, TrajectoryGradient, rmsprop, split_merge, train

from ..brief import assert_same, begin, resume, stopped

KEY = jax.random.key(2)
SIZES = jnp.asarray([20, 20])


def test_what_happens_after_which_epoch(x):
    cycles = Cycles(OneHot(3), TrajectoryGradient(4), rmsprop(0.3, 0.99))
    best = Best(cycles, 0.3, 12)
    state = best.init(KEY, x)
    plain = cycles.init(KEY, x)
    train_epoch = jax.jit(train, static_argnums=0)
    end_epoch = jax.jit(best.end_epoch)
    exchange = jax.jit(split_merge)
    ends, rates = [], []
    for number in range(1, 13):
        rates.append(float(state.optimizer.inner.hyperparams["learning_rate"]))
        state, _ = train_epoch(best, state, x, SIZES)
        if number < 4:
            # Nothing but the training of the rule, until states are exchanged.
            plain, _ = train_epoch(cycles, plain, x, SIZES)
            chex.assert_trees_all_equal(state.model, plain.model)
        trained, key = state, jax.random.fold_in(KEY, number)
        state = end_epoch(state, jnp.uint32(number), key, x)
        expected = exchange(key, trained.model, x) if number == 4 else trained.model
        chex.assert_trees_all_equal(state.model, expected)
        before, after = trained.optimizer.inner, state.optimizer.inner
        chex.assert_trees_all_equal(after.inner_state, before.inner_state)
        ends.append(state.model.parameters)
        if number <= 10:
            chex.assert_trees_all_equal(best.model(state), state.model)
    # Constant, and from the fifth of twelve falling by the same factor an epoch.
    np.testing.assert_allclose(rates[:5], 0.3, rtol=1e-6)
    np.testing.assert_allclose(
        rates[4:], 0.3 * FALL ** np.linspace(0, 1, 8), rtol=8 * 6e-8
    )
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *ends[10:])
    chex.assert_trees_all_close(best.model(state).parameters, mean, rtol=1e-6)


def test_rule_of_the_settings():
    rule = Settings(recipe="best", epochs=7, learning_rate=0.2).rule()
    assert isinstance(rule, Best)
    assert (rule.epochs, rule.learning_rate) == (7, 0.2)
    assert rule.rule == Settings(decay=DECAY, learning_rate=0.2).rule()
    for change, words in (
        ({"latent": "binary"}, "--recipe best: expected --latent onehot, not binary"),
        ({"decay": 0.5}, "--decay 0.5: --recipe best has its own, 0.99"),
    ):
        with pytest.raises(UserError, match=words):
            Settings(recipe="best", **change).rule()


@pytest.mark.usefixtures("short")
def test_it_goes_on_to_the_same_results(points, tmp_path, stop_after):
    options = ("--recipe", "best", "--units", "3")
    whole = begin(points, tmp_path / "whole", *options)
    out = stopped(points, tmp_path / "run", stop_after, *options)
    stop_after()
    resume(out)
    assert_same(out, whole)
    with pytest.raises(UserError, match="--epochs 6: a run of --recipe best ends with"):
        resume(out, "--epochs", "6")
