import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import (
    cycle_states,
    entropy_production_rate_log,
    fundamental_cycles,
)
from nelc_jax.markov import stationary_distribution

from .. import reference


@jax.jit
def run(M):
    log_M, p_bar = jnp.log(M), stationary_distribution(M)
    sigma = entropy_production_rate_log(log_M, p_bar)
    return fundamental_cycles(log_M, p_bar), p_bar, sigma


def decompose(M):
    """Cycles, p_bar and sigma of a chain."""
    return jax.tree.map(np.asarray, run(jnp.asarray(M)))


@pytest.mark.parametrize("size", [2, 3, 4, 7])
@pytest.mark.parametrize("seed", range(3))
def test_contributions_sum_to_sigma(x64, size, seed):
    M = reference.random_stochastic(size, seed, 0.5)
    found, _, sigma = decompose(M)
    np.testing.assert_allclose(found.contribution.sum(), sigma, rtol=1e-9, atol=1e-12)
    chords = found.chord[:, 0] != found.chord[:, 1]
    assert chords.sum() == (size - 1) * (size - 2) // 2
    assert (np.diff(found.contribution[chords]) <= 0).all()
    np.testing.assert_allclose(
        found.contribution, found.current * found.affinity, rtol=1e-12
    )


def test_no_cycle_has_more_than_the_whole(x64):
    """The chord is the weakest edge of its cycle; shares below zero there are."""
    kernels = [reference.random_stochastic(7, seed, 0.3) for seed in range(64)]
    found, _, sigma = jax.tree.map(
        np.asarray, jax.jit(jax.vmap(run))(np.stack(kernels))
    )
    share = found.contribution / sigma[:, None]
    assert share.max() <= 1
    # Of 15 that sum to one, the largest has a fifteenth at least.
    assert share[:, 0].min() >= 1 / 15
    assert share.min() < 0


def test_affinities_are_sums_around_cycles(x64):
    """Each named cycle, walked edge by edge; its chord carries the net current."""
    M = reference.random_stochastic(6, 4)
    found, p_bar, _ = decompose(M)
    flux = p_bar[:, None] * M
    for number in range(10):
        states = cycle_states(found, number)
        assert len(states) == len(set(states)) >= 3
        assert states[:2] == found.chord[number].tolist()
        loop = zip(states, [*states[1:], states[0]], strict=True)
        affinity = sum(np.log(flux[i, j] / flux[j, i]) for i, j in loop)
        np.testing.assert_allclose(found.affinity[number], affinity, rtol=1e-9)
        i, j = states[:2]
        np.testing.assert_allclose(
            found.current[number], flux[i, j] - flux[j, i], rtol=1e-9, atol=1e-15
        )
    assert cycle_states(found, 14) == []


def test_dominant_cycle():
    """A noisy permutation 0 -> 3 -> 1 -> 4 -> 2 -> 0 is found whole."""
    order = [0, 3, 1, 4, 2]
    M = 0.01 * reference.random_stochastic(5, 0)
    for state, after in zip(order, order[1:] + order[:1], strict=True):
        M[state, after] += 0.99
    found, _, _ = decompose(M)
    states = cycle_states(found, 0)
    turn = states.index(0)
    assert states[turn:] + states[:turn] == order
    assert found.contribution[0] > 0.9 * found.contribution.sum()


def test_equilibrium_has_no_current():
    M = reference.random_stochastic(4, 1)
    M = M + M.T
    M = M / M.sum(1).max() + np.diag(1 - M.sum(1) / M.sum(1).max())
    found, _, _ = decompose(M)
    assert abs(found.contribution).max() < 1e-6


def test_one_way_pairs_and_dead_states():
    """No infinite affinity, and a state without edges stays out."""
    M = np.array(
        [[0.5, 0.5, 0, 0], [0.2, 0.4, 0.4, 0], [0.3, 0.2, 0.5, 0], [1, 0, 0, 0]]
    )
    found, _, _ = decompose(M)
    chex.assert_tree_all_finite(found)
    # 0 <-> 2 is one way only, so that no edge closes a cycle.
    assert not found.contribution.any()


def ring(size, up=0.7, down=0.2):
    step = np.roll(np.eye(size), 1, axis=1)
    return up * step + down * step.T + (1 - up - down) * np.eye(size)


def with_root_outside():
    M = np.zeros((4, 4))
    M[0, 1], M[1:, 1:] = 1, ring(3)
    return M


def in_blocks(*blocks):
    size = sum(map(len, blocks))
    M, at = np.zeros((size, size)), 0
    for block in blocks:
        M[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return M


FORESTS = {
    "a first state outside": (with_root_outside(), [3]),
    "two closed classes": (in_blocks(ring(3), ring(4)), [3, 4]),
    "states alone": (in_blocks(np.eye(1), ring(5), np.eye(2)), [5]),
}


@pytest.mark.parametrize("name", FORESTS)
def test_every_component_has_a_tree(name):
    """A ring of n states with rates u, d has one cycle, of affinity n ln(u / d)."""
    M, sizes = FORESTS[name]
    found, p_bar, sigma = decompose(M.astype(np.float32))
    chords = found.chord[:, 0] != found.chord[:, 1]
    assert chords.sum() == len(sizes)
    cycles = [cycle_states(found, number) for number in range(len(sizes))]
    assert sorted(map(len, cycles)) == sizes
    for number, states in enumerate(cycles):
        affinity = len(states) * np.log(0.7 / 0.2)
        np.testing.assert_allclose(found.affinity[number], affinity, rtol=1e-5)
        np.testing.assert_allclose(
            found.current[number], p_bar[states[0]] * 0.5, rtol=1e-5
        )
    np.testing.assert_allclose(found.contribution.sum(), sigma, rtol=1e-5)
