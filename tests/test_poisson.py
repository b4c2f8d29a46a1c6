from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.poisson import deviation, truncated_deviation

from . import reference

solve = jax.jit(deviation)


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
def test_equals_the_fundamental_matrix(x64, size):
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


def test_deterministic_cycle():
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
