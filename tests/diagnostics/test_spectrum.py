import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import (
    mean_self_transition,
    relaxation_time,
    second_eigenvalue_modulus,
)

from .. import reference

modulus = jax.jit(second_eigenvalue_modulus)
tau = jax.jit(relaxation_time)


def second(M):
    return np.sort(abs(np.linalg.eigvals(M)))[-2]


def ring(size, up, down=0.0):
    """Steps up and down a ring of equal states, the rest staying."""
    step = np.roll(np.eye(size), 1, axis=1)
    return up * step + down * step.T + (1 - up - down) * np.eye(size)


@pytest.mark.parametrize("size", [2, 3, 6, 20])
def test_random_matrices(x64, size):
    for seed in range(4):
        M = reference.random_stochastic(size, seed, 0.3)
        expected = second(M)
        np.testing.assert_allclose(modulus(jnp.asarray(M)), expected, rtol=1e-11)
        np.testing.assert_allclose(
            tau(jnp.asarray(M)), -1 / np.log(expected), rtol=1e-11
        )
        with jax.enable_x64(False):
            found = modulus(jnp.asarray(M, jnp.float32))
        # Rounding times the condition of the eigenvalue, below 100 here.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_complex_eigenvalues(x64):
    M = ring(5, 0.9, 0.02)
    pair = sorted(np.linalg.eigvals(M), key=abs)[-3:-1]
    assert abs(np.imag(pair)).min() > 0.5
    np.testing.assert_allclose(modulus(jnp.asarray(M)), abs(pair[0]), rtol=1e-10)


def test_negative_eigenvalue(x64):
    M = np.array([[0.1, 0.9], [0.95, 0.05]])
    np.testing.assert_allclose(modulus(jnp.asarray(M)), 0.85, rtol=1e-12)


def test_defective_eigenvalue(x64):
    M = np.array([[0.6, 0.4, 0], [0, 0.6, 0.4], [0, 0, 1]])
    # Rounding splits a double eigenvalue by its square root.
    np.testing.assert_allclose(modulus(jnp.asarray(M)), 0.6, rtol=1e-6)


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-10])
def test_near_one(x64, gap):
    M = np.array([[1 - 0.3 * gap, 0.3 * gap], [0.7 * gap, 1 - 0.7 * gap]])
    expected = -1 / np.log1p(-gap)
    np.testing.assert_allclose(modulus(jnp.asarray(M)), 1 - gap, rtol=1e-14)
    # The entries of M are rounded to 1e-16.
    np.testing.assert_allclose(tau(jnp.asarray(M)), expected, rtol=1e-14 / gap)
    if gap < 1e-5:
        return
    with jax.enable_x64(False):
        single = jnp.asarray(M, jnp.float32)
        # The matrix itself is rounded to 6e-8.
        np.testing.assert_allclose(modulus(single), 1 - gap, rtol=0, atol=3e-7)
        np.testing.assert_allclose(tau(single), expected, rtol=3e-7 / gap)


def test_slow_cycle(x64):
    """The regime of the paper's best models: tau of tens of steps, complex."""
    M = ring(6, 0.97)
    found = tau(jnp.asarray(M))
    np.testing.assert_allclose(found, -1 / np.log(second(M)), rtol=1e-9)
    assert 20 < found < 100
    with jax.enable_x64(False):
        single = tau(jnp.asarray(M, jnp.float32))
    np.testing.assert_allclose(single, found, rtol=1e-4)


@pytest.mark.parametrize("size", [2, 3, 4, 6])
def test_deterministic_cycle(size):
    M = jnp.asarray(ring(size, 1.0), jnp.float32)
    np.testing.assert_allclose(modulus(M), 1, rtol=1e-6)
    assert tau(M) == jnp.inf


def test_two_closed_classes():
    M = np.zeros((5, 5))
    M[:2, :2] = reference.random_stochastic(2, 0)
    M[2:, 2:] = reference.random_stochastic(3, 1)
    assert tau(jnp.asarray(M, jnp.float32)) == jnp.inf


def test_absorbing_state():
    M = jnp.asarray([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0, 0, 1]])
    np.testing.assert_allclose(tau(M), -1 / np.log(0.8), rtol=1e-4)


def test_one_state():
    M = jnp.ones((1, 1))
    assert modulus(M) == 0
    assert tau(M) == 0
    assert mean_self_transition(M) == 1


@pytest.mark.parametrize("size", [2, 4])
def test_immediate_forgetting(x64, size):
    """Equal rows: nothing is left of the start."""
    p = np.random.default_rng(0).dirichlet(np.ones(size))
    M = np.tile(p, (size, 1))
    for dtype in (jnp.float32, float):
        assert modulus(jnp.asarray(M, dtype)) == 0
        assert tau(jnp.asarray(M, dtype)) == 0
        # Control: what rounding can tell from it is not lost.
        kept = 1e-3 if dtype == jnp.float32 else 1e-12
        found = modulus(jnp.asarray((1 - kept) * M + kept * np.eye(size), dtype))
        np.testing.assert_allclose(found, kept, rtol=0.02)


def test_relabelling(x64):
    M = reference.random_stochastic(5, 3)
    order = [3, 1, 4, 0, 2]
    found = modulus(jnp.asarray(M[np.ix_(order, order)]))
    np.testing.assert_allclose(found, modulus(jnp.asarray(M)), rtol=1e-11)


def test_mean_self_transition(x64):
    M = reference.random_stochastic(5, 0)
    expected = sum(M[k, k] for k in range(5)) / 5
    np.testing.assert_allclose(mean_self_transition(jnp.asarray(M)), expected)
