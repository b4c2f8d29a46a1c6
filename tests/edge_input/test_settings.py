"""The public functions under settings of JAX that users have, for every float type."""

import contextlib
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import (
    Binary,
    Cycles,
    OneHot,
    Pcd,
    TrajectoryGradient,
    sample_chain,
    summarize,
    train,
)
from nelc_jax.diagnostics import (
    count_transitions,
    fundamental_cycles,
    relaxation_time,
    whole_chain_entropy_production,
)
from nelc_jax.likelihood import chain_log_prob
from nelc_jax.markov import stationary_distribution
from nelc_jax.perfect import perfect_sample
from nelc_jax.rules import PersistentChain

from .. import reference
from ..bad_input.calls import CALLS, OBJECTS, call
from ..bad_input.cases import is_array, is_key

pytestmark = pytest.mark.usefixtures("unchecked")

SETTINGS = {
    "standard": (),
    "x64": ((jax.enable_x64, True),),
    "strict": ((jax.numpy_dtype_promotion, "strict"),),
    "both": ((jax.enable_x64, True), (jax.numpy_dtype_promotion, "strict")),
}
HOST = ("diagnostics.cycles.cycle_states",)
BY_ADAM = ("Learner.step", "oscillators.training.train")
"""By optax's Adam, which takes a float to an integer power."""

NEW = ("Quartic.trap", "ensemble.init")
"""Of what is new in a type of its own."""


def under(setting):
    stack = contextlib.ExitStack()
    for change, value in SETTINGS[setting]:
        stack.enter_context(change(value))
    return stack


def is_float(leaf):
    return (
        is_array(leaf) and not is_key(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)
    )


def in_dtype(tree, dtype):
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf), dtype) if is_float(leaf) else leaf,
        tree,
    )


def float_types(tree):
    return {leaf.dtype for leaf in jax.tree.leaves(tree) if is_float(leaf)}


def traced(name, dtype):
    """The float types that a call takes, and those of what it returns."""
    arguments = dict(CALLS[name])
    owner = OBJECTS.get(name.rsplit(".", 1)[0])
    if owner is not None:
        arguments["self"] = owner
    arrays, rest = eqx.partition(in_dtype(arguments, dtype), is_array)

    def found(arrays):
        return eqx.filter(call(name, **eqx.combine(arrays, rest)), is_array)

    return float_types(arrays), float_types(jax.eval_shape(found, arrays))


@pytest.mark.parametrize(
    ("setting", "dtype"),
    [
        ("standard", jnp.float16),
        ("strict", jnp.bfloat16),
        ("x64", jnp.float32),
        ("both", jnp.float64),
    ],
)
def test_every_function(setting, dtype):
    wrong = {}
    single = dtype if dtype == jnp.float64 else jnp.float32
    for name in CALLS:
        adam = "strict" in str(SETTINGS[setting]) and name in BY_ADAM
        if name.startswith("_") or name in HOST or adam:
            continue
        try:
            with under(setting), warnings.catch_warnings(action="error"):
                taken, returned = traced(name, dtype)
        except Exception as error:
            wrong[name] = repr(error)[:300]
            continue
        # What no argument has the type of is in that of new arrays.
        if (
            name not in NEW
            and taken
            and not returned <= {jnp.dtype(dtype), jnp.dtype(single)}
        ):
            wrong[name] = returned
    assert not wrong, wrong


def test_arrays_of_numpy_beside_traced_ones():
    """As when a function is transformed for one of its arguments alone."""
    wrong = {}
    for name in CALLS:
        if name.startswith("_") or name in HOST:
            continue
        arguments = jax.tree.map(in_numpy, CALLS[name])
        alone = "key" if "key" in arguments else next(iter(arguments))
        arrays, rest = eqx.partition(arguments[alone], is_array)

        def found(arrays, name=name, alone=alone, rest=rest, others=arguments):
            given = {**others, alone: eqx.combine(arrays, rest)}
            return eqx.filter(call(name, **given), is_array)

        try:
            jax.eval_shape(found, arrays)
        except Exception as error:
            wrong[name] = repr(error)[:300]
    assert not wrong, wrong


def in_numpy(leaf):
    return np.asarray(leaf) if is_array(leaf) and not is_key(leaf) else leaf


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_halves_are_measured_in_single_precision(dtype, data):
    """The measures of a model of halves are those of the same weights."""
    model = reference.to_model(reference.random_system("sigmoid"))
    halves = in_dtype(model, dtype)
    key, x = jax.random.key(0), jnp.asarray(data)
    found = summarize(halves, key, x, 1)
    expected = summarize(in_dtype(halves, jnp.float32), key, x, 1)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_array_equal(one, other)


RULES = {
    "cycles": Cycles(OneHot(2), TrajectoryGradient(chain_length=3)),
    "pcd": Pcd(Binary(1), PersistentChain(3)),
}


def workload(rule, compiled, x):
    """Train and measure; what is costly without compilation only when compiled."""
    key, jit = jax.random.key(0), jax.jit if compiled else lambda function: function

    def trained(x):
        return train(rule, rule.init(key, x), x, jnp.array([2, 3]))

    def measured(model, M, p_bar, x):
        end, _ = sample_chain(model, key, x[0], 2)
        return (
            count_transitions(model, key, end, 3),
            chain_log_prob(model, key, end, 2, x),
            fundamental_cycles(jnp.log(M), p_bar),
            relaxation_time(M),
        )

    state, info = jit(trained)(x)
    model = rule.model(state)
    M = jnp.array([[0.7, 0.3], [0.4, 0.6]])
    found = info, jit(measured)(model, M, stationary_distribution(M), x)
    if compiled:
        summary = jit(lambda model: summarize(model, key, x, 1))(model)
        whole = jit(whole_chain_entropy_production, static_argnums=3)
        draw = jit(lambda model: perfect_sample(model, key, 1, 2))
        found = (*found, summary, whole(model, key, summary.occupancy, 1), draw(model))
    return found


@pytest.mark.parametrize("name", RULES)
def test_no_operation_makes_a_nan(name):
    """One by one without compilation, and in compiled programs."""
    x = jnp.asarray(np.random.default_rng(0).random((6, 3)) < 0.5)
    with jax.debug_nans(True):
        with jax.disable_jit():
            alone = workload(RULES[name], False, x)
        found = workload(RULES[name], True, x)
    for one, other in zip(*map(jax.tree.leaves, (alone, found[:2])), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
