import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.markov import (
    deviation,
    stationary_distribution,
    truncated_deviation,
)

from . import reference

law, solve = jax.jit(stationary_distribution), jax.jit(deviation)


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


def test_censored_chain(x64):
    """The chain seen only while it is in the first states has the same odds there."""
    M = reference.random_stochastic(5, 4)
    inside, out, back, rest = M[:2, :2], M[:2, 2:], M[2:, :2], M[2:, 2:]
    censored = inside + out @ np.linalg.solve(np.eye(3) - rest, back)
    p, seen = (np.asarray(law(jnp.asarray(chain))) for chain in (M, censored))
    np.testing.assert_allclose(seen, p[:2] / p[:2].sum(), rtol=1e-12)


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


def rational_solution(off_diagonal, f):
    """p_bar and v in rational arithmetic, from the transitions between states."""
    size = len(f)
    M = [[Fraction(float(value)) for value in row] for row in off_diagonal]
    f = [Fraction(float(value)) for value in f]
    for i in range(size):
        M[i][i] = 1 - sum(M[i][j] for j in range(size) if j != i)
    identity = [[Fraction(i == j) for j in range(size)] for i in range(size)]
    drift = [[identity[i][j] - M[i][j] for j in range(size)] for i in range(size)]
    # p (I - M) = 0 with sum p = 1, and (I - M) v = f - p f with p v = 0.
    columns = [list(column) for column in zip(*drift, strict=True)]
    p = gauss([*columns[:-1], [Fraction(1)] * size], [Fraction(0)] * (size - 1) + [1])
    mean = sum(a * b for a, b in zip(p, f, strict=True))
    v = gauss([*drift[:-1], p], [value - mean for value in f[:-1]] + [Fraction(0)])
    return np.array(p, float), np.array(v, float)


def gauss(rows, right):
    """The solution of a small linear system, exactly."""
    rows = [[*row, value] for row, value in zip(rows, right, strict=True)]
    for n in range(len(rows)):
        pivot = next(i for i in range(n, len(rows)) if rows[i][n] != 0)
        rows[n], rows[pivot] = rows[pivot], rows[n]
        rows[n] = [value / rows[n][n] for value in rows[n]]
        for i in range(len(rows)):
            if i != n:
                factor = rows[i][n]
                pairs = zip(rows[i], rows[n], strict=True)
                rows[i] = [a - factor * b for a, b in pairs]
    return [row[-1] for row in rows]


@pytest.mark.parametrize("size", [1, 2, 6, 30])
def test_deviation_is_the_fundamental_matrix(x64, size):
    """The inverse of I - M + 1 p_bar, of Kemeny and Snell; 30 states: not unrolled."""
    M = reference.random_stochastic(size, 0, 0.3)
    p_bar, f = reference.stationary(M), np.random.default_rng(1).normal(size=size)
    centred = f - p_bar @ f
    expected = np.linalg.solve(np.eye(size) - M + p_bar[None], centred)
    found = solve(*map(jnp.asarray, (M, p_bar, f)))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    total = sum(np.linalg.matrix_power(M, k) @ centred for k in range(5))
    found = truncated_deviation(*map(jnp.asarray, (M, p_bar, f)), 5)
    np.testing.assert_allclose(found, total, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(float, 1e-10), (np.float32, 1e-3)])
def test_rare_transitions_keep_their_precision(x64, dtype, tolerance):
    """Transitions down to 1e-9 (1e-6): the last digits of 1 - M[n, n] would not do."""
    rng = np.random.default_rng(2)
    smallest, worst, plain = (-9 if dtype is float else -6), [], []
    for _ in range(10):
        rates = 10 ** rng.uniform(smallest, -1, (5, 5)) * ~np.eye(5, dtype=bool)
        rates = rates.astype(dtype)
        f = rng.normal(size=5).astype(dtype)
        p_bar, v = rational_solution(rates, f)
        M = (rates + np.diag(1 - rates.sum(1))).astype(dtype)
        found = solve(*(jnp.asarray(a, dtype) for a in (M, p_bar, f)))
        worst.append(np.abs(found - v).max() / np.abs(v).max())
        matrix = np.eye(5, dtype=dtype) - M + p_bar.astype(dtype)[None]
        direct = np.linalg.solve(matrix, f - dtype(p_bar @ f))
        plain.append(np.abs(direct - v).max() / np.abs(v).max())
    assert max(worst) < tolerance
    # Control: Gauss with pivots loses them.
    assert max(plain) > 30 * max(worst)


def test_deviation_of_a_deterministic_cycle():
    """The sum over the future has no limit; the solution of the equation exists."""
    M = jnp.asarray(np.roll(np.eye(6), 1, axis=1), jnp.float32)
    f = jnp.arange(6.0)
    p_bar = jnp.full(6, 1 / 6)
    v = solve(M, p_bar, f)
    np.testing.assert_allclose(v - M @ v, f - 2.5, atol=1e-5)
    assert abs(v.sum()) < 1e-5
    later = [truncated_deviation(M, p_bar, f, k) for k in (600, 603)]
    assert np.abs(later[0] - later[1]).max() > 1


def test_a_chain_that_falls_apart_stays_finite():
    """Two closed classes: times are cut at 1 / eps, within a class nothing changes."""
    block = reference.random_stochastic(3, 0)
    M = np.zeros((6, 6))
    M[:3, :3] = M[3:, 3:] = block
    p_bar = np.zeros(6)
    p_bar[:3] = 0.75 * reference.stationary(block)
    p_bar[3:] = p_bar[:3] / 3
    f = np.random.default_rng(0).normal(size=6)
    found = np.asarray(solve(*(jnp.asarray(a, jnp.float32) for a in (M, p_bar, f))))
    assert np.isfinite(found).all()
    p = reference.stationary(block)
    fundamental = np.linalg.inv(np.eye(3) - block + p[None])
    v = fundamental @ (f[:3] - p @ f[:3])
    slow = np.finfo(np.float32).eps
    differences = (found[:3] - found[0]) * slow, (v - v[0]) * slow
    np.testing.assert_allclose(*differences, atol=2)
