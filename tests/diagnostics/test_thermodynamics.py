import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import (
    currents,
    entropy_production_rate,
    entropy_production_rate_log,
    fluxes,
    log_fluxes,
    one_way_pairs,
)
from nelc_jax.markov import stationary_distribution

from .. import reference

SIZES = (2, 3, 6)
rate = jax.jit(entropy_production_rate)


def random_chain(size, seed=0):
    M = reference.random_stochastic(size, seed)
    return M, reference.stationary(M)


def reversible_chain(size, seed=0):
    """Detailed balance: symmetric fluxes."""
    rng = np.random.default_rng(seed)
    flux = rng.uniform(0.1, 1, (size, size))
    flux += flux.T
    p = flux.sum(1) / flux.sum()
    return flux / flux.sum(1, keepdims=True), p


def cycle(size):
    return np.roll(np.eye(size), 1, axis=1), np.full(size, 1 / size)


def sigma(M, p, *floor):
    return float(rate(jnp.asarray(M, float), jnp.asarray(p, float), *floor))


@pytest.mark.parametrize("size", SIZES)
def test_brute_force(x64, size):
    for seed in range(5):
        M, p = random_chain(size, seed)
        expected = reference.entropy_production(M, p)
        np.testing.assert_allclose(sigma(M, p), expected, rtol=1e-11, atol=1e-14)
        assert expected > -1e-14
        found = currents(jnp.asarray(M), jnp.asarray(p))
        np.testing.assert_allclose(found, reference.currents(M, p), atol=1e-16)
        # Stationarity: no net current out of any state.
        np.testing.assert_allclose(found.sum(1), 0, atol=1e-14)
        flux = fluxes(jnp.asarray(M), jnp.asarray(p))
        np.testing.assert_allclose(flux.sum(0), flux.sum(1), atol=1e-14)


def test_random_chains_are_irreversible():
    """Control of the tests below: three states or more, and sigma is not small."""
    for size, seed in itertools.product((3, 6), range(5)):
        assert sigma(*random_chain(size, seed)) > 1e-4


@pytest.mark.parametrize("size", SIZES)
def test_zero_at_equilibrium(size):
    """Also in single precision: sigma is of second order in the rounding of fluxes."""
    for seed in range(5):
        found = sigma(*reversible_chain(size, seed))
        assert 0 <= found < 1e-10


def test_two_states_are_always_reversible(x64):
    for seed in range(5):
        assert 0 <= sigma(*random_chain(2, seed)) < 1e-25


def test_never_negative():
    """Whatever p_bar, each pair adds (a - b) ln(a / b) >= 0."""
    for seed in range(20):
        M, _ = random_chain(4, seed)
        p = np.random.default_rng(seed).dirichlet(np.ones(4))
        assert sigma(M, p) >= 0


def test_relabelling(x64):
    M, p = random_chain(4)
    for order in itertools.permutations(range(4)):
        order = list(order)
        found = sigma(M[np.ix_(order, order)], p[order])
        np.testing.assert_allclose(found, sigma(M, p), rtol=1e-12)


def test_time_reversal(x64):
    """The reversed chain produces as much."""
    M, p = random_chain(5)
    backward = (p[:, None] * M).T / p[:, None]
    np.testing.assert_allclose(sigma(backward, p), sigma(M, p), rtol=1e-12)


def test_biased_ring(x64):
    """A known value: (u - d) ln(u / d) for steps up and down a ring of equal states."""
    up, down = 0.7, 0.2
    ring, p = cycle(5)
    M = up * ring + down * ring.T + (1 - up - down) * np.eye(5)
    expected = (up - down) * np.log(up / down)
    np.testing.assert_allclose(sigma(M, p), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [3, 4, 7])
def test_deterministic_cycle(size):
    M, p = cycle(size)
    assert sigma(M, p) == np.inf
    assert one_way_pairs(jnp.asarray(M), jnp.asarray(p)) == size
    floor = 1e-3
    expected = size * (1 / size - floor) * np.log(1 / size / floor)
    np.testing.assert_allclose(sigma(M, p, floor), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2])
def test_small_cycles_are_reversible(size):
    M, p = cycle(size)
    for floor in ((), (1e-3,)):
        assert sigma(M, p, *floor) == 0
    assert one_way_pairs(jnp.asarray(M), jnp.asarray(p)) == 0


def test_transition_never_seen(x64):
    """A pair seen in neither direction adds nothing, with any floor."""
    ring, p = cycle(4)
    M = 0.6 * ring + 0.4 * ring.T
    assert M[0, 2] == M[2, 0] == 0
    expected = 0.2 * np.log(1.5)
    for floor in (0.0, 1e-4):
        np.testing.assert_allclose(sigma(M, p, floor), expected, rtol=1e-12)
    assert one_way_pairs(jnp.asarray(M), jnp.asarray(p)) == 0


def test_one_way_pair(x64):
    """0 -> 1 is never answered by 1 -> 0: infinite, or counted as one event."""
    M = np.array([[0.4, 0.3, 0.3], [0.0, 0.5, 0.5], [0.6, 0.2, 0.2]])
    p = reference.stationary(M)
    assert sigma(M, p) == np.inf
    assert one_way_pairs(jnp.asarray(M), jnp.asarray(p)) == 1
    floor = 1e-4
    filled = M.copy()
    filled[1, 0] = floor / p[1]
    expected = reference.entropy_production(filled, p)
    np.testing.assert_allclose(sigma(M, p, floor), expected, rtol=1e-10)


def test_dead_and_absorbing_states():
    """States without mass carry no flux."""
    M, p = reversible_chain(2)
    dead = np.zeros((3, 3))
    dead[:2, :2], dead[2, :2] = M, p
    assert 0 <= sigma(dead, np.append(p, 0)) < 1e-10
    absorbing = np.array([[0.5, 0.5], [0.0, 1.0]])
    assert sigma(absorbing, np.array([0, 1])) == 0


def test_two_closed_classes(x64):
    """Their productions add, weighted by their masses."""
    parts = random_chain(3, 0), random_chain(3, 1)
    M, p = np.zeros((6, 6)), np.zeros(6)
    for k, (block, law) in enumerate(parts):
        M[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = block
        p[3 * k : 3 * k + 3] = law / 2
    expected = sum(reference.entropy_production(*part) for part in parts) / 2
    np.testing.assert_allclose(sigma(M, p), expected, rtol=1e-11)


def test_from_logarithms():
    """Transitions far below the smallest number of the precision still count."""
    log_M = np.full((3, 3), -np.inf)
    for k in range(3):
        log_M[k, (k + 1) % 3], log_M[(k + 1) % 3, k] = 0.0, -200.0
    p = jnp.full(3, 1 / 3)
    found = entropy_production_rate_log(jnp.asarray(log_M, float), p)
    np.testing.assert_allclose(found, 200, rtol=1e-5)
    assert sigma(np.exp(log_M).astype(np.float32), p) == np.inf


@pytest.mark.parametrize("size", SIZES)
def test_from_logarithms_agrees(x64, size):
    M, p = random_chain(size)
    found = entropy_production_rate_log(jnp.log(M), jnp.asarray(p))
    np.testing.assert_allclose(found, sigma(M, p), rtol=1e-10, atol=1e-14)


def test_from_logarithms_with_dead_state():
    M, p = reversible_chain(2)
    log_M = np.full((3, 3), -500.0)
    log_M[:2, :2] = np.log(M)
    log_M[2] = np.log(1 / 3)
    found = entropy_production_rate_log(
        jnp.asarray(log_M, float), jnp.asarray(np.append(p, 0), float)
    )
    assert 0 <= found < 1e-10


ENDS_WITHOUT_MASS = {
    # p_bar of state 2, 1e-30, is rounded away; the flux into it is not.
    "rare": [[0.7, 0.3, 1e-30], [0.2, 0.8, 1e-30], [0.5, 0.5, 0]],
    "entered from one": [[0.7, 0.3, 1e-35], [0.2, 0.8, 0], [0.5, 0.5, 0]],
    "left to one": [[0.7, 0.3, 1e-30], [0.2, 0.8, 1e-30], [1, 0, 0]],
}


@pytest.mark.parametrize("name", ENDS_WITHOUT_MASS)
def test_an_end_without_mass(name):
    """Its fluxes are below 1e-30, in either direction: no one-way pairs."""
    M = jnp.asarray(ENDS_WITHOUT_MASS[name], jnp.float32)

    @jax.jit
    def run(M):
        p_bar = stationary_distribution(M)
        return (
            p_bar,
            entropy_production_rate(M, p_bar),
            entropy_production_rate_log(jnp.log(M), p_bar),
            one_way_pairs(M, p_bar),
            fluxes(M, p_bar),
            jnp.exp(log_fluxes(jnp.log(M), p_bar)),
        )

    p_bar, sigma, sigma_log, pairs, flux, from_log = run(M)
    assert p_bar[2] == 0
    for found in (sigma, sigma_log):
        assert 0 <= found < 1e-10
    assert pairs == 0
    assert not flux[2].any()
    assert not flux[:, 2].any()
    np.testing.assert_allclose(from_log, flux, rtol=1e-6)


def test_a_rare_state_with_mass(x64):
    """In double precision p_bar of state 2 is known, and sigma by hand."""
    M = np.array(ENDS_WITHOUT_MASS["rare"])
    p = stationary_distribution(jnp.asarray(M))
    np.testing.assert_allclose(p, [0.4, 0.6, 1e-30], rtol=1e-12)
    pairs = [(0.4e-30, 0.5e-30), (0.6e-30, 0.5e-30)]
    expected = sum((a - b) * np.log(a / b) for a, b in pairs)
    found = entropy_production_rate(jnp.asarray(M), p)
    # And of 0 <-> 1, whose net flux of 1e-31 is below rounding, nothing of order 1e-32.
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-32)
