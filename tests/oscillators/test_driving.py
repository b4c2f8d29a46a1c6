import itertools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nelc_jax.oscillators import Bath, Protocol, drive, drive_metered, jarzynski

from ..compilation import long_run
from .systems import BATH, moving_protocol, moving_trap, random_potential, stack

STIFF = (1.0, 4.0)
FREE_ENERGY = BATH.temperature / 2 * np.log(STIFF[1] / STIFF[0])
X = np.array([0.5, -0.3, 0.1])


@partial(long_run, static_argnums=2)
def metered(protocol, start, num_steps, bath):
    """Many paths from the equilibrium of the stiffness `start`."""
    times = jnp.linspace(0, protocol.times[-1], num_steps + 1)

    def one(key):
        start_key, move = jax.random.split(key)
        x = bath.equilibrate(start_key, start, 1)
        return drive_metered(protocol, bath, move, x, times)

    return jax.vmap(one)(jax.random.split(jax.random.key(0), 20000))


def stiffened(duration, num_steps, bath=BATH):
    return metered(moving_trap(duration, *STIFF), STIFF[0], num_steps, bath)


def test_drive_draws_the_scheme():
    """With and without an account: the same path, and the first law."""
    protocol, times, x = moving_protocol(), jnp.linspace(0, 0.8, 11), jnp.asarray(X)

    @jax.jit
    def all_three(key):
        normals = jax.vmap(
            lambda step: jax.random.normal(jax.random.fold_in(key, step), (3,))
        )(jnp.arange(10))
        path = BATH.euler_maruyama(
            lambda time, x: protocol.at(time).force(x), normals, x, times
        )
        found = drive_metered(protocol, BATH, key, x, times)
        first, last = protocol.at(times[0]), protocol.at(times[-1])
        gained = last.energy(found.x) - first.energy(x)
        return path[-1], drive(protocol, BATH, key, x, times), found, gained

    expected, end, found, gained = all_three(jax.random.key(5))
    chex.assert_trees_all_close(end, expected, rtol=1e-5)
    chex.assert_trees_all_close(found.x, expected, rtol=1e-5)
    chex.assert_trees_all_close(found.work, gained + found.heat, rtol=1e-5)


def test_a_resting_trap_keeps_its_equilibrium():
    """Kolmogorov-Smirnov against the law; a bath a quarter too hot must fail."""
    stiffness = 1.3
    protocol, times = moving_trap(9.0, stiffness, stiffness), jnp.linspace(0, 3, 151)

    @long_run
    def ends(temperature):
        def one(key):
            start, move = jax.random.split(key)
            x = BATH.equilibrate(start, stiffness, 1)
            return drive(protocol, Bath(0.7, temperature), move, x, times)

        return jax.vmap(one)(jax.random.split(jax.random.key(1), 8000))

    def p_value(temperature):
        x = np.asarray(ends(jnp.asarray(temperature)))
        law = stats.norm(scale=np.sqrt(BATH.temperature / stiffness))
        return stats.kstest(x.ravel(), law.cdf).pvalue

    assert p_value(0.6) > 0.01
    assert p_value(0.75) < 1e-6


@pytest.mark.usefixtures("x64")
def test_heat_is_the_ratio_of_path_probabilities():
    """Of a single step, in a potential at rest, with a reach and without."""
    potential, dt, x = random_potential(3), 0.3, jnp.asarray(X)
    protocol = Protocol(jnp.asarray([0.0, dt]), stack([potential, potential]))

    @jax.jit
    def one_step(bath, key):
        found = drive_metered(protocol, bath, key, x, protocol.times)
        return found, potential.force(x), potential.force(found.x)

    for reach in (np.inf, 0.02):
        bath = Bath(BATH.mobility, BATH.temperature, reach)
        found, *forces = jax.tree.map(np.asarray, one_step(bath, jax.random.key(0)))
        largest = reach / (BATH.mobility * dt)
        assert (np.abs(forces) > largest).any() == np.isfinite(reach)
        before, after = np.clip(forces, -largest, largest)

        def log_probability(start, end, force):
            residue = end - start - BATH.mobility * force * dt
            return -np.sum(residue**2) / (4 * BATH.mobility * BATH.temperature * dt)

        forth = log_probability(X, found.x, before)
        back = log_probability(found.x, X, after)
        expected = BATH.temperature * (forth - back)
        chex.assert_trees_all_close(found.heat, expected, rtol=1e-10)


@pytest.mark.parametrize("num_steps", [4, 400])
def test_jarzynski_equality_at_any_step(num_steps):
    """Exact even for four coarse steps, where the wrong heat (Ito's) must fail."""
    work = stiffened(0.8, num_steps).work
    found, work = jarzynski(work, BATH), np.asarray(work)
    weights = np.exp(-(work - FREE_ENERGY) / BATH.temperature)
    error = weights.std() / np.sqrt(len(weights))
    assert abs(weights.mean() - 1) < 4 * error
    assert error < 0.01
    np.testing.assert_allclose(found, FREE_ENERGY, atol=4 * error * BATH.temperature)
    # More work than the free energy is needed on average, by several errors.
    assert work.mean() - FREE_ENERGY > 10 * work.std() / np.sqrt(len(work))


def test_jarzynski_equality_with_a_reach():
    """Exact too where most steps are limited, which must change the work."""
    bath = Bath(BATH.mobility, BATH.temperature, 0.05)
    limited = np.asarray(stiffened(0.8, 4, bath).work)
    weights = np.exp(-(limited - FREE_ENERGY) / BATH.temperature)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(len(weights))
    free = np.asarray(stiffened(0.8, 4).work)
    assert np.mean(limited != free) > 0.5


def test_heat_at_the_start_of_a_step_breaks_the_equality():
    """The control: the force before the step times the displacement."""
    times = np.linspace(0, 0.8, 5)
    rng = np.random.default_rng(0)
    x = rng.normal(size=20000) * np.sqrt(BATH.temperature / STIFF[0])
    work = -STIFF[0] * x**2 / 2
    for start, end in itertools.pairwise(times):
        k = np.interp((start + end) / 2, times[[0, -1]], STIFF)
        dt = end - start
        kick = np.sqrt(2 * BATH.mobility * BATH.temperature * dt)
        moved = x - BATH.mobility * k * x * dt + kick * rng.normal(size=x.shape)
        work += -k * x * (moved - x)
        x = moved
    work += STIFF[1] * x**2 / 2
    weights = np.exp(-(work - FREE_ENERGY) / BATH.temperature)
    assert abs(weights.mean() - 1) > 10 * weights.std() / np.sqrt(len(weights))


def test_mean_work_of_a_stiffening_trap():
    """<W> = int k'(t) <x^2> / 2 dt, with d<x^2>/dt = -2 mu k <x^2> + 2 mu kT."""
    duration, fine = 0.8, 40000
    dt = duration / fine
    variance, expected = BATH.temperature / STIFF[0], 0.0
    slope = (STIFF[1] - STIFF[0]) / duration
    for step in range(fine):
        k = STIFF[0] + slope * (step + 0.5) * dt
        expected += slope * variance / 2 * dt
        variance += 2 * BATH.mobility * (BATH.temperature - k * variance) * dt
    work = np.asarray(stiffened(duration, 400).work)
    assert abs(work.mean() - expected) < 4 * work.std() / np.sqrt(len(work)) + 2e-3


def test_slow_driving_costs_the_free_energy():
    fast, slow = (
        np.asarray(stiffened(duration, 400).work).mean() - FREE_ENERGY
        for duration in (1.0, 8.0)
    )
    assert 0 < slow < fast / 4
