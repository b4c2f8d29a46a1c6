import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import diffusion, thermodynamics
from nelc_jax.oscillators.bath import Bath, drive, equilibrate
from nelc_jax.oscillators.diffusion import Generation, Mixture, Noising
from nelc_jax.oscillators.potential import (
    Protocol,
    at_time,
    energy,
    force,
    harmonic_trap,
)

from .systems import random_potential, stack

BATH = Bath(0.7, 0.6)
STIFF = (1.0, 4.0)


def stiffening(duration, stiff=STIFF):
    pair = [harmonic_trap(1, k) for k in stiff]
    return Protocol(jnp.asarray([0.0, duration]), stack(pair))


@partial(jax.jit, static_argnums=2)
def metered(protocol, start, num_steps):
    """Many paths from the equilibrium of the stiffness `start`."""
    times = jnp.linspace(0, protocol.times[-1], num_steps + 1)

    def one(key):
        start_key, move = jax.random.split(key)
        x = equilibrate(start_key, BATH, start, 1)
        return thermodynamics.drive_metered(protocol, BATH, move, x, times)

    return jax.vmap(one)(jax.random.split(jax.random.key(0), 20000))


def ledgers(duration, num_steps):
    return metered(stiffening(duration), STIFF[0], num_steps)


FREE_ENERGY = BATH.temperature / 2 * np.log(STIFF[1] / STIFF[0])


def test_step_heat_is_the_ratio_of_path_probabilities():
    potential = random_potential(3)
    rng = np.random.default_rng(0)
    x, moved = rng.normal(size=(2, 3))
    dt = 0.3
    before, after = (
        jax.jit(force)(potential, jnp.asarray(a, jnp.float32)) for a in (x, moved)
    )

    def log_probability(start, end, F):
        residue = end - start - BATH.mobility * np.asarray(F) * dt
        return -np.sum(residue**2) / (4 * BATH.mobility * BATH.temperature * dt)

    expected = BATH.temperature * (
        log_probability(x, moved, before) - log_probability(moved, x, after)
    )
    found = jax.jit(thermodynamics.step_heat)(
        BATH,
        *(jnp.asarray(a, jnp.float32) for a in (x, moved)),
        before,
        after,
        jnp.asarray(dt),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_metered_drive_is_the_drive():
    """The same path, and the first law."""
    pair = [random_potential(3, seed) for seed in (1, 2)]
    protocol = Protocol(jnp.asarray([0.0, 0.8]), stack(pair))

    @jax.jit
    def both(key):
        x, times = jnp.asarray([0.5, -0.3, 0.1]), jnp.linspace(0, 0.8, 21)
        ledger = thermodynamics.drive_metered(protocol, BATH, key, x, times)
        first, last = at_time(protocol, times[0]), at_time(protocol, times[-1])
        gained = energy(last, ledger.x) - energy(first, x)
        return ledger, drive(protocol, BATH, key, x, times), gained

    ledger, end, gained = both(jax.random.key(5))
    np.testing.assert_allclose(ledger.x, end, rtol=1e-5)
    np.testing.assert_allclose(ledger.work, gained + ledger.heat, rtol=1e-5)


@pytest.mark.parametrize("num_steps", [4, 400])
def test_jarzynski_equality_at_any_step(num_steps):
    """Exact even for four coarse steps, where the wrong heat (Ito's) must fail."""
    ledger = ledgers(0.8, num_steps)
    weights = np.exp(-(np.asarray(ledger.work) - FREE_ENERGY) / BATH.temperature)
    error = weights.std() / np.sqrt(len(weights))
    assert abs(weights.mean() - 1) < 4 * error
    assert error < 0.01
    found = thermodynamics.jarzynski(ledger.work, BATH)
    np.testing.assert_allclose(found, FREE_ENERGY, atol=4 * error * BATH.temperature)
    # More work than the free energy is needed on average, by several errors.
    works = np.asarray(ledger.work)
    assert works.mean() - FREE_ENERGY > 10 * works.std() / np.sqrt(len(works))


def test_heat_at_the_start_of_a_step_breaks_the_equality():
    """The control: the force before the step times the displacement."""
    num_steps, duration = 4, 0.8
    protocol = stiffening(duration)
    times = np.linspace(0, duration, num_steps + 1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=20000) * np.sqrt(BATH.temperature / STIFF[0])
    work = -STIFF[0] * x**2 / 2
    middles = jnp.asarray((times[1:] + times[:-1]) / 2)
    stiff = np.asarray(jax.jit(jax.vmap(at_time, (None, 0)))(protocol, middles).k)
    for (start, end), k in zip(itertools.pairwise(times), stiff[:, 0], strict=True):
        dt = end - start
        moved = (
            x
            - BATH.mobility * k * x * dt
            + np.sqrt(2 * BATH.mobility * BATH.temperature * dt)
            * rng.normal(size=x.shape)
        )
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
    work = np.asarray(ledgers(duration, 400).work)
    assert abs(work.mean() - expected) < 4 * work.std() / np.sqrt(len(work)) + 2e-3


def test_slow_driving_costs_the_free_energy():
    fast, slow = (
        np.asarray(ledgers(duration, 400).work).mean() - FREE_ENERGY
        for duration in (1.0, 8.0)
    )
    assert 0 < slow < fast / 4


@pytest.mark.usefixtures("x64")
def test_ideal_entropy_production():
    """In sum, at the pace of the noising, the loss of relative entropy to the trap.

    And in proportion to 1 / duration, in the same bath.
    """
    noising = Noising(1.3, BATH, 0.05, 3.0)
    mixture = Mixture(
        jnp.asarray([[0.7], [-0.9]]),
        jnp.asarray(0.04),
        jnp.log(jnp.asarray([0.4, 0.6])),
    )
    grid = jnp.linspace(-5, 5, 1001)[:, None]
    width = 10 / 1000

    def log_p(time):
        return jax.vmap(diffusion.log_density, (None, None, None, 0))(
            noising, mixture, time, grid
        )

    def total(duration):
        generation = Generation(noising, BATH, duration)

        def rate(time):
            def log_density(x):
                return diffusion.log_density(noising, mixture, time, x)

            # The mean over p_t as an integral: each point with its own weight.
            def at(x):
                return thermodynamics.ideal_entropy_rate(
                    generation, x[None], jax.grad(log_density)(x)[None]
                )

            return jnp.sum(jnp.exp(log_p(time)) * jax.vmap(at)(grid)) * width

        times = jnp.geomspace(0.05, 3.0, 801)
        rates = jax.lax.map(rate, times)
        return jnp.trapezoid(rates, times) * duration / 2.95

    def relative_entropy(time):
        trap = noising.stiffness / BATH.temperature
        log_trap = jnp.log(trap / (2 * jnp.pi)) / 2 - trap * grid[:, 0] ** 2 / 2
        return jnp.sum(jnp.exp(log_p(time)) * (log_p(time) - log_trap)) * width

    @jax.jit
    def both(duration):
        early, late = jnp.asarray(0.05), jnp.asarray(3.0)
        return total(duration), relative_entropy(early) - relative_entropy(late)

    at_pace, lost = both(jnp.asarray(2.95))
    slower, _ = both(jnp.asarray(5.9))
    np.testing.assert_allclose(at_pace, lost, rtol=1e-4)
    np.testing.assert_allclose(slower, at_pace / 2, rtol=1e-9)


def test_entropy_production_of_paths():
    """Mean heat over kT and the change of entropy, exactly for a relaxing trap.

    From N(0, v0) in a resting trap to equilibrium: the relative entropy of the start.
    """
    k, v0 = 1.3, 0.1
    ledger = metered(stiffening(4.0, (k, k)), BATH.temperature / v0, 400)
    v1 = BATH.temperature / k
    entropies = [0.5 * np.log(2 * np.pi * np.e * v) for v in (v0, v1)]
    found = thermodynamics.entropy_production(ledger.heat, BATH, *entropies)
    expected = 0.5 * (v0 / v1 - 1 - np.log(v0 / v1))
    np.testing.assert_allclose(found, expected, atol=0.02)
