import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.markov import eliminate, stationary_distribution

from . import reference

law = jax.jit(stationary_distribution)


@pytest.mark.parametrize("size", [1, 2, 6, 30])
def test_matches_eigenvector(x64, size):
    for seed in range(3):
        M = reference.random_stochastic(size, seed, 0.5)
        found = law(jnp.asarray(M))
        np.testing.assert_allclose(found, reference.stationary(M), rtol=1e-11)


def test_small_probabilities(x64):
    """A chain with known law: birth and death with p(k + 1) / p(k) = 1e-6."""
    up, down = 1e-7, 1e-1
    M = np.zeros((5, 5))
    for k in range(4):
        M[k, k + 1], M[k + 1, k] = up, down
    M += np.diag(1 - M.sum(1))
    expected = (up / down) ** np.arange(5)
    expected /= expected.sum()
    # Each of 4 states: 6 roundings out (3 +, /, *, +), 10 back (*, 4 +, 4 +, /).
    rtol = 4 * 16 * np.finfo(float).eps
    np.testing.assert_allclose(law(jnp.asarray(M)), expected, rtol=rtol)
    with jax.enable_x64(False):
        found = law(jnp.asarray(M, jnp.float32))
    rtol = 4 * 16 * np.finfo(np.float32).eps
    np.testing.assert_allclose(found, expected, rtol=rtol)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_deterministic_cycle(size):
    M = jnp.asarray(np.roll(np.eye(size), 1, axis=1), jnp.float32)
    np.testing.assert_allclose(law(M), 1 / size, rtol=1e-6)


def test_bipartite_chain(x64):
    M = np.zeros((4, 4))
    M[:2, 2:] = reference.random_stochastic(2, 0)
    M[2:, :2] = reference.random_stochastic(2, 1)
    found = law(jnp.asarray(M))
    np.testing.assert_allclose(found @ M, found, rtol=1e-12)
    np.testing.assert_allclose(found[:2].sum(), 0.5, rtol=1e-12)


def test_states_that_never_change(x64):
    """A uniform start is kept, in either precision."""
    for dtype in (np.float32, float):
        found = law(jnp.eye(3, dtype=dtype))
        np.testing.assert_allclose(found, 1 / 3, rtol=1e-6)


def test_absorbing_state():
    M = jnp.asarray([[0.5, 0.3, 0.2], [0.4, 0.5, 0.1], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(law(M), [0, 0, 1])


def test_two_closed_classes(x64):
    """The time average from a uniform start, by brute force."""
    M = np.zeros((5, 5))
    M[:2, :2] = [[0.2, 0.8], [0.6, 0.4]]
    M[2:4, 2:4] = [[0, 1], [1, 0]]
    M[4] = [0.3, 0, 0.1, 0, 0.6]
    p, total, num_steps = np.full(5, 0.2), np.zeros(5), 20_000
    for _ in range(num_steps):
        total, p = total + p, p @ M
    # The average forgets its start as 1 / T.
    np.testing.assert_allclose(law(jnp.asarray(M)), total / num_steps, atol=1e-4)


@pytest.mark.parametrize("rate", [1e-3, 1e-12, 1e-20])
@pytest.mark.parametrize("dtype", [float, np.float32])
def test_slow_chain(x64, rate, dtype):
    """Transitions far below the resolution of the diagonal set the law.

    In time units of 1 / rate the law is the same, which is that of a fast chain.
    """
    fast = reference.random_stochastic(4, 3)
    expected = reference.stationary(fast)
    M = (rate / 10 * fast * (1 - np.eye(4))).astype(dtype)
    M += np.diag(1 - M.sum(1))
    # Each of 3 states: 5 roundings out (2 +, /, *, +), 8 back (*, 3 +, 3 +, /). The
    # reference: 4^2 roundings at a spectral gap of 1, relative to the least p of 0.1.
    tolerance = 3 * 13 * np.finfo(dtype).eps + 4**2 / 0.1 * np.finfo(float).eps
    np.testing.assert_allclose(law(jnp.asarray(M)), expected, rtol=tolerance)


def test_a_ladder_of_rates_that_overflow_one_after_the_other():
    """Each state holds 1e20 times the mass of the one before it."""
    M = np.eye(4, dtype=np.float32)
    for k in range(3):
        M[k, k + 1], M[k + 1, k] = 1e-3, 1e-23
    found = np.asarray(law(jnp.asarray(M)))
    np.testing.assert_allclose(found, [0, 0, 1e-20, 1], rtol=1e-4, atol=1e-30)


def test_eliminate(x64):
    """The chain seen only while it is in the first states: a censored chain."""
    M = reference.random_stochastic(5, 4)
    reduced, leaving = (np.asarray(a) for a in eliminate(jnp.asarray(M), 1e-300))
    inside, out, back, rest = M[:2, :2], M[:2, 2:], M[2:, :2], M[2:, 2:]
    censored = inside + out @ np.linalg.solve(np.eye(3) - rest, back)
    np.testing.assert_allclose(leaving[1], censored[1, 0], rtol=1e-12)
    np.testing.assert_allclose(reduced[1, 0], censored[1, 0], rtol=1e-12)
    np.testing.assert_allclose(reduced[0, 1] * leaving[1], censored[0, 1], rtol=1e-12)


def test_relabelling(x64):
    M = reference.random_stochastic(4, 0)
    p = np.asarray(law(jnp.asarray(M)))
    for order in itertools.islice(itertools.permutations(range(4)), 1, 24, 5):
        order = list(order)
        found = law(jnp.asarray(M[np.ix_(order, order)]))
        np.testing.assert_allclose(found, p[order], rtol=1e-12)


def test_derivative(x64):
    """Through the elimination, against central differences along a change of M."""
    M = reference.random_stochastic(4, 1)
    change = reference.random_stochastic(4, 2) - M
    _, found = jax.jvp(law, (jnp.asarray(M),), (jnp.asarray(change),))
    step = 1e-5
    ahead, behind = (reference.stationary(M + s * change) for s in (step, -step))
    np.testing.assert_allclose(found, (ahead - behind) / (2 * step), atol=1e-9)
