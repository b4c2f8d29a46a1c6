"""The public functions under settings of JAX that users have, for every float type."""

import contextlib
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

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
from .references import skip_without

pytestmark = pytest.mark.usefixtures("unchecked")

SETTINGS = {
    "x64": ((jax.enable_x64, True),),
    "strict": ((jax.numpy_dtype_promotion, "strict"),),
    "both": ((jax.enable_x64, True), (jax.numpy_dtype_promotion, "strict")),
}
HOST = ("diagnostics.cycles.cycle_states",)
BY_ADAM = ("Learner.step", "oscillators.training.train")
"""By optax's Adam, which takes a float to an integer power."""

NATIVE = tuple(
    name
    for name in CALLS
    if name.startswith(("chain.", "Cycles.", "TrajectoryGradient."))
)
"""Which have another path in single precision."""

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
    ("setting", "dtype", "names"),
    [
        ("strict", jnp.float16, CALLS),
        ("x64", jnp.bfloat16, CALLS),
        ("x64", jnp.float32, NATIVE),
        ("both", jnp.float64, CALLS),
    ],
    ids=["strict-float16", "x64-bfloat16", "x64-float32", "both-float64"],
)
def test_every_function(setting, dtype, names):
    """What is right by strict promotion is so by the standard one."""
    wrong = {}
    single = dtype if dtype == jnp.float64 else jnp.float32
    for name in names:
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


measured = jax.jit(lambda model, key, x: summarize(model, key, x, 1))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_halves_are_measured_in_single_precision(dtype, data):
    """The measures of a model of halves are those of the same weights."""
    skip_without(dtype)
    model = reference.to_model(reference.random_system("sigmoid"))
    halves = in_dtype(model, dtype)
    key, x = jax.random.key(0), jnp.asarray(data)
    found = measured(halves, key, x)
    expected = measured(in_dtype(halves, jnp.float32), key, x)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_array_equal(one, other)


RULES = {
    "cycles": Cycles(OneHot(2), TrajectoryGradient(chain_length=3)),
    "pcd": Pcd(Binary(1), PersistentChain(3)),
}


def one_by_one(function):
    """Operations alone, without compilation: `debug_nans` looks at each result."""

    def run(*arguments):
        with jax.disable_jit():
            return function(*arguments)

    return run


def checked(function):
    """One program that looks at each result, in its loops and branches as well."""

    def run(*arguments):
        program = jax.jit(checkify.checkify(function, errors=checkify.nan_checks))
        error, found = program(*arguments)
        error.throw()
        return found

    return run


def assert_close(found, expected):
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "how"), [("cycles", one_by_one), ("pcd", checked)])
def test_no_operation_makes_a_nan(name, how):
    """Each by itself, and what compiled programs return."""
    x = jnp.asarray(np.random.default_rng(0).random((6, 3)) < 0.5)
    rule, key = RULES[name], jax.random.key(0)

    def trained(x):
        state, info = train(rule, rule.init(key, x), x, jnp.array([2, 3]))
        model = rule.model(state)
        end, _ = sample_chain(model, key, x[0], 2)
        counts = count_transitions(model, key, end, 3)
        return model, info, counts, chain_log_prob(model, key, end, 2, x)

    @jax.jit
    def measured(model):
        summary = summarize(model, key, x, 1)
        whole = whole_chain_entropy_production(model, key, summary.occupancy, 1)
        return summary, whole, perfect_sample(model, key, 1, 2)

    with jax.debug_nans(True):
        alone, found = how(trained)(x), jax.jit(trained)(x)
        measured(found[0])
    assert_close(alone, found)


def test_no_operation_on_a_kernel_makes_a_nan():
    def measured(M):
        p_bar = stationary_distribution(M)
        return p_bar, fundamental_cycles(jnp.log(M), p_bar), relaxation_time(M)

    M = jnp.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.15, 0.25, 0.6]])
    with jax.debug_nans(True):
        assert_close(checked(measured)(M), jax.jit(measured)(M))


def test_a_nan_that_is_not_returned_is_told():
    """Control."""

    def logarithm(p):
        return jnp.where(p > 0, jnp.log(p), 0)

    assert jax.jit(logarithm)(jnp.float32(-1)) == 0
    with pytest.raises(checkify.JaxRuntimeError, match="nan generated by primitive"):
        checked(logarithm)(jnp.float32(-1))
