"""The native path against XLA: the same chain bit for bit, the same gradient."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nelc_jax import OneHot, sample_chain
from nelc_jax.training import train

from .systems import member, rounding, rules, smooth_rmsprop

pytestmark = pytest.mark.usefixtures("native")

SIZES = [
    # D, L, T, points, mini-batch, normalisation, score: numbers that divide nothing.
    (1, 1, 1, 1, 1, "sigmoid", "paper"),
    (1, 7, 65, 3, 3, "softmax", "exact"),
    (5, 2, 7, 10, 1, "sigmoid", "exact"),
    (5, 64, 7, 10, 10, "softmax", "paper"),
    (783, 6, 65, 20, 1, "sigmoid", "paper"),
    (784, 8, 64, 150, 150, "softmax", "exact"),
    (784, 9, 7, 20, 20, "sigmoid", "exact"),
    (4097, 6, 7, 12, 12, "sigmoid", "paper"),
    (783, 17, 1, 20, 7, "sigmoid", "exact"),
]


_step = jax.jit(lambda rule, state, x, batch: rule.step(state, x, jnp.int32(batch)))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gradient_and_chain_are_those_of_xla(sizes):
    num_visible, units, length, points, batch, normalization, score = sizes
    native, by_xla = rules(OneHot(units, normalization), length, score)
    state, x = member(native, num_visible, points)
    tolerance = rounding(state)

    (found, info), (expected, xla_info) = (
        _step(rule, state, x, batch) for rule in (native, by_xla)
    )

    np.testing.assert_array_equal(found.x, expected.x)
    assert info.finite
    assert xla_info.finite
    np.testing.assert_allclose(
        info.log_likelihood, xla_info.log_likelihood, rtol=0, atol=tolerance
    )
    # g is at most 1 / p_bar <= T; the score at most 1 and averaged over T.
    for name, most in (("w", 1), ("a", 1), ("w_bar", length), ("a_bar", length)):
        a, b = (
            np.asarray(getattr(s.model.parameters, name)) for s in (found, expected)
        )
        limit = 4 * most * tolerance + 2**-22 * (1 + np.max(np.abs(b)))
        np.testing.assert_allclose(a, b, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize("length", [1, 64, 130])
# So many pixels that the rounding of a block decides some of the draws.
@pytest.mark.parametrize("num_visible", [29, 4001])
def test_chains_are_those_of_xla(num_visible, length):
    native, _ = rules(OneHot(7, "softmax"), 1)
    state, _ = member(native, num_visible, 3)
    draw = jax.jit(sample_chain, static_argnums=(3, 4))
    found, expected = (
        draw(state.model, state.key, state.x, length, at_once)
        for at_once in (None, True)
    )
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1].x, expected[1].x)
    np.testing.assert_array_equal(found[1].z, expected[1].z)
    # A sum of as many products, whose partial sums are at most about as large; each of
    # the two rounds it as many times by eps / 2.
    limit = (num_visible + 1) * np.finfo(np.float32).eps * np.max(np.abs(expected[1].h))
    np.testing.assert_allclose(found[1].h, expected[1].h, rtol=0, atol=limit)


def test_rmsprop_is_that_of_xla():
    native, by_xla = rules(OneHot(6), 9, optimizer=smooth_rmsprop())
    state, x = member(native, 61, 12)
    sizes = jnp.array([5, 1, 12, 7])
    (found, info), (expected, xla_info) = (
        jax.jit(train)(rule, state, x, sizes) for rule in (native, by_xla)
    )
    np.testing.assert_array_equal(found.x, expected.x)
    assert found.step == expected.step
    # Each of the steps adds the rounding of its gradient, T times as much for w_bar.
    limit = 4 * len(sizes) * 9 * rounding(state)
    np.testing.assert_allclose(
        info.log_likelihood, xla_info.log_likelihood, rtol=0, atol=limit
    )
    for a, b in zip(
        jax.tree.leaves((found.model, found.optimizer)),
        jax.tree.leaves((expected.model, expected.optimizer)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=limit)


RULES = rules(OneHot(3), 11)
SCORES = {"paper": RULES, "exact": rules(OneHot(3), 11, "exact")}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 4.0, 30.0]),
    bias=st.sampled_from([0.0, 1.0]),
    batch=st.integers(1, 140),
    num_visible=st.sampled_from([37, 40]),
    score=st.sampled_from(list(SCORES)),
    low=st.sampled_from([0.0, 200.0]),
)
def test_any_weights(seed, scale, bias, batch, num_visible, score, low):
    """Among them such that pixels are always on, whose threshold is 2^16.

    And fields so low that every sigmoid of eq. 19 underflows.

    Pixels are read eight at a time: the last eight are whole, or not.
    """
    native, by_xla = SCORES[score]
    state, x = member(native, num_visible, 5, seed, scale, bias)
    a_bar = np.asarray(state.model.parameters.a_bar) - np.float32(low)
    state = eqx.tree_at(lambda s: s.model.parameters.a_bar, state, jnp.asarray(a_bar))
    found, info = _step(native, state, x, batch)
    expected, expected_info = _step(by_xla, state, x, batch)
    np.testing.assert_array_equal(found.x, expected.x)
    limit = 4 * 11 * rounding(state) + 2**-20
    np.testing.assert_allclose(
        info.log_likelihood, expected_info.log_likelihood, rtol=1e-5, atol=limit
    )
    for name in ("w", "w_bar", "a_bar"):
        a, b = (getattr(s.model.parameters, name) for s in (found, expected))
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=limit, err_msg=name)


@pytest.mark.parametrize("score", ["paper", "exact"])
@pytest.mark.parametrize("normalization", ["sigmoid", "softmax"])
@pytest.mark.parametrize("fields", [(-150, -152, -151), (150, 152, 151), (-200, 0, 40)])
def test_fields_whose_exponentials_underflow(fields, normalization, score):
    """All sigmoids of eq. 19 may be zero in single precision: their ratios are not."""
    native, by_xla = rules(OneHot(3, normalization), 11, score)
    state, x = member(native, 37, 5)
    state = eqx.tree_at(
        lambda s: s.model.parameters.a_bar, state, jnp.asarray(fields, jnp.float32)
    )
    (found, info), (expected, xla_info) = (
        _step(rule, state, x, 5) for rule in (native, by_xla)
    )
    assert info.finite
    assert xla_info.finite
    np.testing.assert_array_equal(found.x, expected.x)
    limit = 4 * 11 * rounding(state) + 2**-20
    for name in ("w", "w_bar", "a_bar"):
        a, b = (getattr(s.model.parameters, name) for s in (found, expected))
        np.testing.assert_allclose(a, b, rtol=2**-22, atol=limit, err_msg=name)


@pytest.mark.parametrize("number", [jnp.nan, jnp.inf, -jnp.inf])
@pytest.mark.parametrize("name", ["w", "a", "w_bar", "a_bar"])
def test_numbers_that_are_none_are_told(name, number):
    state, x = member(RULES[0], 37, 5)
    values = np.array(getattr(state.model.parameters, name))
    # One alone: of the first state, others come after it.
    values.flat[0] = number
    broken = eqx.tree_at(
        lambda s: getattr(s.model.parameters, name), state, jnp.asarray(values)
    )
    for rule in RULES:
        _, info = _step(rule, broken, x, 3)
        assert not info.finite
