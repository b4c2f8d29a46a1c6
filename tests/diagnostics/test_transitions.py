import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import chain
from nelc_jax.diagnostics import (
    count_transitions,
    kernel_from_counts,
    relaxation_time,
)
from nelc_jax.markov import stationary_distribution

from .. import reference
from ..trajectories import stationary_trajectories


@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
def test_counts_are_those_of_the_chain(kind):
    system = reference.random_system(kind)
    model = reference.to_model(system)
    x, num_steps = jnp.asarray([1, 0, 0, 1, 0], bool), 128

    @jax.jit
    def both(key):
        return (
            chain.sample_chain(model, key, x, num_steps),
            count_transitions(model, key, x, num_steps),
        )

    (x_end, trajectory), counts = both(jax.random.key(0))
    visits = reference.latent_codes(system, trajectory.z)
    size = len(reference.latent_states(system))
    expected = np.zeros((size, size), int)
    for before, after in itertools.pairwise(visits):
        expected[before, after] += 1
    np.testing.assert_array_equal(counts.pairs, expected)
    np.testing.assert_array_equal(counts.x, x_end)


def test_counts_converge(x64, system):
    """The counted M is eq. 3, and its error falls as 1 / sqrt(T)."""
    M, p_bar = reference.latent_kernel(system), reference.latent_law(system)
    z = stationary_trajectories(system).z
    visits = reference.latent_codes(system, z)
    size = len(p_bar)
    from_counts = jax.jit(jax.vmap(kernel_from_counts))

    def count(visits):
        pairs = visits[:-1] * size + visits[1:]
        return reference.histogram(pairs, size * size).reshape(M.shape)

    lengths, errors = (2**9, 2**12, 2**15), []
    for length in lengths:
        pieces = visits.reshape(-1, length)
        counts = np.array([count(piece) for piece in pieces])
        found, occupancy = map(np.asarray, from_counts(jnp.asarray(counts)))
        flux = occupancy[..., None] * found
        errors.append(np.sqrt(np.mean((flux - p_bar[:, None] * M) ** 2)))
    # 32 pieces and a few independent fluxes, as for the gradient.
    assert abs(reference.log_log_slope(lengths, errors) + 0.5) < 0.1

    total = jnp.asarray(sum(count(row) for row in visits))
    found, occupancy = jax.jit(kernel_from_counts)(total)
    # Memory of a step or two, |lambda_2| < 0.4, widens binomial errors by less than 2.
    error = np.sqrt(M * (1 - M) / (visits.size * p_bar[:, None]))
    assert (abs(found - M) < 5 * error).all()
    other = reference.latent_kernel(system.replace(w_bar=0.9 * system.w_bar))
    assert not (abs(found - other) < 5 * error).all()
    assert (abs(occupancy - p_bar) < 10 * np.sqrt(p_bar / visits.size)).all()


EPS = np.finfo(np.float32).eps


def assert_close(found, expected):
    """Quotients of exact counts, or a law of 3 states: 2 times 9 roundings."""
    np.testing.assert_allclose(found, expected, rtol=18 * EPS)


def kernel(pairs):
    M, p_bar = kernel_from_counts(jnp.asarray(pairs))
    return np.asarray(M), np.asarray(p_bar)


def test_kernel_from_counts():
    M, p_bar = kernel([[2, 6], [1, 1]])
    assert_close(M, [[0.25, 0.75], [0.5, 0.5]])
    assert_close(p_bar, [0.8, 0.2])


def test_transition_never_seen():
    M, p_bar = kernel([[0, 5, 0], [0, 3, 5], [5, 0, 0]])
    assert_close(M, [[0, 1, 0], [0, 3 / 8, 5 / 8], [1, 0, 0]])
    assert_close(p_bar, np.array([5, 8, 5]) / 18)


def test_dead_state():
    """A state never visited adds an eigenvalue 0 and no mass."""
    M, p_bar = kernel([[4, 2, 0], [2, 4, 0], [0, 0, 0]])
    assert_close(M.sum(-1), 1)
    assert_close(p_bar, [0.5, 0.5, 0])
    assert_close(M[2], p_bar)
    found = stationary_distribution(jnp.asarray(M))
    assert_close(found, p_bar)
    moduli = sorted(abs(np.linalg.eigvals(M)))
    # 3^2 roundings of eig.
    np.testing.assert_allclose(moduli, [0, 1 / 3, 1], atol=9 * EPS)
    expected = 1 / np.log(3)
    np.testing.assert_allclose(relaxation_time(jnp.asarray(M)), expected, rtol=1e-4)


def test_absorbing_state():
    M, p_bar = kernel([[1, 1, 1], [0, 1, 1], [0, 0, 5]])
    assert_close(M[2], [0, 0, 1])
    assert_close(p_bar, [0.3, 0.2, 0.5])


def test_no_transitions():
    M, p_bar = kernel(np.zeros((2, 2), int))
    assert np.isnan(M).all()
    assert np.isnan(p_bar).all()


def test_bad_arguments():
    model = reference.to_model(reference.random_system("sigmoid"))
    with pytest.raises(ValueError, match="num_steps=1"):
        count_transitions(model, jax.random.key(0), jnp.zeros(5, bool), 1)
