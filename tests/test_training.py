"""One loop for every rule, and any optimiser in it."""

import dataclasses
from functools import partial

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nelc_jax import (
    Cycles,
    OneHot,
    Pcd,
    State,
    TrajectoryGradient,
    ensemble,
    rmsprop,
    set_learning_rate,
    train,
)
from nelc_jax.rules import PersistentChain
from nelc_jax.rules._parts import ascend

from . import reference

SHORT = TrajectoryGradient(chain_length=8)
SIZES = jnp.asarray([4, 4, 6, 8])
RULES = {
    "cycles": Cycles(OneHot(3), SHORT),
    "pcd": Pcd(OneHot(3, "softmax"), PersistentChain(8)),
}


def plain(tree):
    """A tree of arrays, its keys as their words."""

    def words(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(words, tree)


def distance(state, other):
    return abs(state.model.parameters.w - other.model.parameters.w).max()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_train_is_repeated_step(x, rule):
    """Two calls, the second resuming the first, and an unbroken series of steps.

    One program takes every batch size and learning rate.
    """
    step = jax.jit(eqx.debug.assert_max_traces(rule.step, max_traces=1))
    run = jax.jit(partial(train, rule))
    start = rule.init(jax.random.key(1), x)
    first, infos = run(start, x, SIZES)
    resumed, more = run(first, x, SIZES[::-1])
    chex.assert_tree_shape_prefix(infos, (4,))
    assert infos.finite.all()

    state = start
    likelihoods = np.concatenate([infos.log_likelihood, more.log_likelihood])
    for k, size in enumerate(np.concatenate([SIZES, SIZES[::-1]])):
        if k == 4:
            chex.assert_trees_all_close(
                plain(state), plain(first), rtol=1e-4, atol=1e-5
            )
        before, (state, info) = state, step(state, x, jnp.int32(size))
        np.testing.assert_allclose(info.log_likelihood, likelihoods[k], rtol=1e-4)
        # Control: each step moves the state by far more than the tolerance.
        assert distance(state, before) > 0.01
    assert state.step == 8
    # RMSprop divides by the size of the gradient, which amplifies its rounding.
    chex.assert_trees_all_close(plain(state), plain(resumed), rtol=1e-4, atol=1e-4)

    moved = [
        distance(step(set_learning_rate(start, rate), x, SIZES[0])[0], start)
        for rate in (0.1, 0.01)
    ]
    np.testing.assert_allclose(moved[0], 10 * moved[1], rtol=1e-4)


def only_w(parameters):
    leaves, tree = jax.tree.flatten(parameters)
    return jax.tree.unflatten(tree, [leaf is parameters.w for leaf in leaves])


def ascended(optimizer, gradients, model):
    """Parameters after steps of `ascend` along the given gradients."""
    parameters = model.parameters
    state = optimizer.init(parameters)
    for k, gradient in enumerate(gradients):
        whole = State(model, state, model.x_mean > 0.5, jax.random.key(0), jnp.int32(k))
        parameters, state = ascend(optimizer, whole, gradient, parameters)
    return parameters


@pytest.mark.usefixtures("x64")
def test_optimizers_by_hand():
    """RMSprop, SGD with momentum and Adam, with rates from a schedule, uphill."""
    rng = np.random.default_rng(0)
    model = reference.to_model(reference.random_system("sigmoid"))
    start = model.parameters
    gradients = [
        jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape)), start)
        for _ in range(4)
    ]
    schedule = optax.cosine_decay_schedule(0.3, 5)
    rates = [0.15 * (1 + np.cos(np.pi * k / 5)) for k in range(4)]

    def by_hand(step, rates):
        """`step(memory, g, k)` gives the direction and the memory."""
        moved = [np.asarray(p) for p in reference.leaves(start)]
        memory = [(0.0, 0.0)] * 4
        for k, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
            for i, g in enumerate(reference.leaves(gradient)):
                direction, memory[i] = step(memory[i], g, k)
                moved[i] = moved[i] + rate * direction
        return moved

    def of_rmsprop(memory, g, k):
        square = 0.8 * memory[0] + 0.2 * g**2
        return g / np.sqrt(square + 1e-3), (square, 0)

    def of_momentum(memory, g, k):
        total = 0.9 * memory[0] + g
        return total, (total, 0)

    def of_adam(memory, g, k):
        first, second = 0.9 * memory[0] + 0.1 * g, 0.999 * memory[1] + 0.001 * g**2
        mean, square = first / (1 - 0.9 ** (k + 1)), second / (1 - 0.999 ** (k + 1))
        return mean / (np.sqrt(square) + 1e-8), (first, second)

    for optimizer, step, used in (
        (rmsprop(0.3, 0.8, 1e-3), of_rmsprop, [0.3] * 4),
        (rmsprop(schedule, 0.8, 1e-3), of_rmsprop, rates),
        (optax.sgd(0.3, momentum=0.9), of_momentum, [0.3] * 4),
        (optax.adam(schedule), of_adam, rates),
    ):
        found = reference.leaves(ascended(optimizer, gradients, model))
        chex.assert_trees_all_close(
            list(found), by_hand(step, used), rtol=1e-12, atol=1e-12
        )
    # One parameter that is kept changes nothing for the others.
    some = optax.chain(rmsprop(0.3), optax.masked(optax.set_to_zero(), only_w))
    found, every = (ascended(o, gradients, model) for o in (some, rmsprop(0.3)))
    expected = eqx.tree_at(lambda p: p.w, every, start.w)
    chex.assert_trees_all_close(found, expected, rtol=1e-14)


OPTIMIZERS = {
    "adam": optax.adam(0.05),
    "sgd": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1, 0.5)),
    "schedule": rmsprop(optax.cosine_decay_schedule(0.1, 200)),
    # The forward weights stay: a rate of zero for one parameter.
    "frozen": optax.chain(rmsprop(), optax.masked(optax.set_to_zero(), only_w)),
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("cycles", "adam"), ("cycles", "schedule"), ("pcd", "sgd"), ("pcd", "frozen")],
)
def test_any_optimizer_learns(x, kind, name):
    """Uphill on the mini-batches' own estimate of the likelihood."""
    rule = dataclasses.replace(RULES[kind], optimizer=OPTIMIZERS[name])
    start = rule.init(jax.random.key(1), x)
    state, infos = jax.jit(partial(train, rule))(start, x, jnp.full(200, 32))
    early, late = (
        np.mean(infos.log_likelihood[:20]),
        np.mean(infos.log_likelihood[-20:]),
    )
    parameters, initial = state.model.parameters, start.model.parameters
    assert infos.finite.all()
    assert (distance(state, start) == 0) == (name == "frozen")
    assert abs(parameters.a_bar - initial.a_bar).max() > 0.01
    if name != "frozen":
        assert late > early + 0.2


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [
        ("cycles", rmsprop()),
        ("pcd", optax.inject_hyperparams(optax.adam)(learning_rate=0.1)),
    ],
    ids=("rmsprop", "adam"),
)
def test_rate_of_each_member(x, kind, optimizer):
    """An array of rates: each learns as alone with its own; one program takes all."""
    rule = dataclasses.replace(RULES[kind], optimizer=optimizer)
    same = jnp.array([4, 4, 4])
    default = ensemble.init(rule, jax.random.key(3), same, x)
    rates = jnp.asarray([0.1, 0.01, 0.0], jnp.float32)
    given = ensemble.init(rule, jax.random.key(3), same, x, rates)
    chex.assert_trees_all_equal(given, set_learning_rate(default, rates))

    @jax.jit
    @partial(eqx.debug.assert_max_traces, max_traces=1)
    def run(states):
        return ensemble.train(rule, states, x, SIZES[:1])

    def trained(states):
        end, _ = run(states)
        return abs(end.model.parameters.w - states.model.parameters.w).max((1, 2))

    second = jax.tree.map(lambda a: a[1], (given, run(given)))
    alone = jax.jit(partial(train, rule))(second[0], x, SIZES[:1])
    chex.assert_trees_all_close(plain(second[1]), plain(alone), rtol=1e-4, atol=1e-5)
    moved = trained(given)
    np.testing.assert_allclose(moved[0], 10 * moved[1], rtol=1e-3)
    assert moved[0] > 0.01
    assert moved[2] == 0
    for states in (default, set_learning_rate(default, 0.1)):
        np.testing.assert_allclose(trained(states), moved[0], rtol=1e-6)


@pytest.mark.parametrize(
    "optimizer", [optax.adam(0.1), rmsprop(optax.constant_schedule(0.1))]
)
def test_an_optimizer_without_a_rate_to_set(x, optimizer):
    """None in its state, or one that follows a schedule: one line says so."""
    rule = Cycles(OneHot(3), SHORT, optimizer)
    state = rule.init(jax.random.key(0), x)
    with pytest.raises(ValueError, match="learning_rate: expected an optimiser"):
        set_learning_rate(state, 0.2)
    with pytest.raises(ValueError, match="learning_rate: expected") as caught:
        ensemble.init(rule, jax.random.key(0), jnp.arange(50), x, jnp.ones(50))
    assert "\n" not in str(caught.value)


def test_set_learning_rate(x):
    rule = RULES["cycles"]
    state = set_learning_rate(rule.init(jax.random.key(0), x), 0.25)
    assert state.optimizer.hyperparams["learning_rate"] == np.float32(0.25)
    states = ensemble.init(rule, jax.random.key(0), jnp.arange(3), x)
    np.testing.assert_array_equal(
        states.optimizer.hyperparams["learning_rate"], np.full(3, np.float32(0.1))
    )
    rates = jnp.asarray([0.1, 0.2, 0.3])
    states = set_learning_rate(states, rates)
    np.testing.assert_array_equal(states.optimizer.hyperparams["learning_rate"], rates)
    for bad in (-0.1, jnp.nan, jnp.asarray([0.1, -0.2, 0.3])):
        with pytest.raises(ValueError, match="learning_rate"):
            set_learning_rate(states, bad)


@pytest.mark.usefixtures("x64")
def test_double_precision(x):
    """The state has one type from step to step, also after a rate was set."""
    rule = RULES["cycles"]
    start = rule.init(jax.random.key(0), x)
    model = jax.tree.map(lambda a: a.astype(float), start.model)
    optimizer = rule.optimizer.init(model.parameters)
    start = dataclasses.replace(start, model=model, optimizer=optimizer)
    start = set_learning_rate(start, 0.1)
    end, _ = jax.jit(partial(train, rule))(start, x, SIZES)
    assert end.model.parameters.w.dtype == jnp.float64
    chex.assert_trees_all_equal_shapes_and_dtypes(plain(start), plain(end))


def test_composes_with_transformations(x):
    """The slope along the rate, through three steps, mapped over keys."""
    rule = RULES["cycles"]

    def reached(rate, key):
        state = set_learning_rate(rule.init(key, x), rate)
        state, _ = train(rule, state, x, SIZES[:3])
        return jnp.sum(state.model.parameters.w**2)

    slopes = jax.jit(jax.vmap(jax.jacfwd(reached), (None, 0)))(
        jnp.float32(0.1), jax.random.split(jax.random.key(0), 3)
    )
    chex.assert_tree_all_finite(slopes)
    assert len(np.unique(slopes)) == 3


def test_equal_rules_are_one_program():
    """Made of equal settings, they are equal: a static argument compiles once."""
    one, other = (Cycles(OneHot(3), TrajectoryGradient(8)) for _ in range(2))
    assert (one, hash(one)) == (other, hash(other))
    assert one != Cycles(OneHot(3), TrajectoryGradient(9))
    assert one != Cycles(OneHot(3), TrajectoryGradient(8), rmsprop(0.2))


@pytest.mark.parametrize(
    ("name", "bad"),
    [("decay", 1.0), ("decay", -0.1), ("eps", 0.0), ("learning_rate", -1.0)],
)
def test_bad_settings_of_rmsprop(name, bad):
    with pytest.raises(ValueError, match=f"{name}="):
        rmsprop(**{name: bad})
