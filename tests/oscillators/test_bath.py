from functools import partial

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from systems import random_potential

from nelc_jax.oscillators.bath import (
    Bath,
    drive,
    equilibrate,
    euler_maruyama,
    refine,
)
from nelc_jax.oscillators.potential import (
    Protocol,
    at_time,
    force,
    harmonic_trap,
)

BATH = Bath(0.7, 0.6)
STIFFNESS = 1.3
RATE = 0.7 * 1.3


def moving_protocol():
    """From one random potential to another within a time of 0.8."""
    pair = [random_potential(3, seed) for seed in (1, 2)]
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *pair)
    return Protocol(jnp.asarray([0.0, 0.8]), stacked)


def resting_protocol(num):
    stacked = jax.tree.map(lambda a: jnp.stack([a, a]), harmonic_trap(num, STIFFNESS))
    return Protocol(jnp.asarray([0.0, 9.0]), stacked)


def force_in(protocol):
    return lambda time, x: force(at_time(protocol, time), x)


def test_bath_is_checked():
    with pytest.raises(ValueError, match=r"temperature=-1\.0: expected"):
        Bath(1.0, -1.0)
    with pytest.raises(ValueError, match=r"mobility=0\.0: expected"):
        Bath(0.0)


def test_refine():
    np.testing.assert_allclose(
        refine(jnp.asarray([0.0, 1.0, 4.0]), 2), [0, 0.5, 1, 2.5, 4]
    )


@pytest.mark.usefixtures("x64")
def test_weak_order_of_the_harmonic_case():
    """The scheme is linear there: its mean and variance follow from derivatives.

    The exact ones are exp(-rate t) x0 and (1 - exp(-2 rate t)) kT / k; both errors
    must fall like the step.
    """
    end = 1.2

    def last(normals, x, num):
        times = jnp.linspace(0, end, num + 1)
        path = euler_maruyama(
            lambda _, x: -STIFFNESS * x, BATH, normals[:, None], x[None], times
        )
        return path[-1, 0]

    errors = []
    for num in (20, 40, 80):
        to_normals, to_start = jax.grad(last, (0, 1))(
            jnp.zeros(num), jnp.asarray(1.0), num
        )
        variance = BATH.temperature / STIFFNESS * (1 - np.exp(-2 * RATE * end))
        errors.append(
            [
                abs(to_start - np.exp(-RATE * end)),
                abs(jnp.sum(to_normals**2) - variance),
            ]
        )
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 1, atol=0.06)


@pytest.mark.usefixtures("x64")
def test_strong_order_of_the_harmonic_case():
    """Against the exact path of the same Brownian motion.

    x(t) = sqrt(2 mu kT) (W(t) - rate int exp(-rate (t - u)) W(u) du) from x(0) = 0,
    with the integral on a grid so fine that its error is far below the scheme's.
    """
    fine, paths, end = 2**12, 200, 1.0
    dt = end / fine
    kicks = jax.random.normal(jax.random.key(0), (paths, fine)) * np.sqrt(dt)
    w = jnp.concatenate([jnp.zeros((paths, 1)), jnp.cumsum(kicks, 1)], 1)
    kernel = jnp.exp(-RATE * (end - jnp.linspace(0, end, fine + 1)))
    integral = jnp.trapezoid(w * kernel[None], dx=dt, axis=1)
    scale = np.sqrt(2 * BATH.mobility * BATH.temperature)
    exact = scale * (w[:, -1] - RATE * integral)

    def error(num):
        normals = kicks.reshape(paths, num, -1).sum(2) / np.sqrt(end / num)
        times = jnp.linspace(0, end, num + 1)

        def one(normals):
            return euler_maruyama(
                lambda _, x: -STIFFNESS * x,
                BATH,
                normals[:, None],
                jnp.zeros(1),
                times,
            )[-1, 0]

        return jnp.sqrt(jnp.mean((jax.vmap(one)(normals) - exact) ** 2))

    errors = [error(num) for num in (16, 32, 64)]
    np.testing.assert_allclose(
        np.log2([errors[0] / errors[1], errors[1] / errors[2]]), 1, atol=0.12
    )


@pytest.mark.usefixtures("x64")
def test_agrees_with_diffrax():
    """Equal to diffrax's Euler scheme, and near its solver of strong order 1.5."""
    protocol, x0 = moving_protocol(), jnp.asarray([0.5, -0.3, 0.1])
    force_at = force_in(protocol)
    brownian = diffrax.VirtualBrownianTree(
        0.0, 0.8, 1e-4, (3,), jax.random.key(3), levy_area=diffrax.SpaceTimeLevyArea
    )
    spread = np.sqrt(2 * BATH.mobility * BATH.temperature)

    @partial(jax.jit, static_argnums=(0, 1, 2))
    def theirs(solver, num, shift=0.0):
        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, x, _: BATH.mobility * force_at(t + shift, x)),
            diffrax.ControlTerm(lambda t, x, _: spread * jnp.eye(3), brownian),
        )
        return diffrax.diffeqsolve(terms, solver, 0.0, 0.8, 0.8 / num, x0).ys[-1]

    @partial(jax.jit, static_argnums=0)
    def ours(num):
        times = jnp.linspace(0, 0.8, num + 1)
        kicks = jax.vmap(brownian.evaluate)(times[:-1], times[1:])
        normals = kicks / jnp.sqrt(0.8 / num)
        return euler_maruyama(force_at, BATH, normals, x0, times)[-1]

    # Their scheme evaluates the drift where a step starts, ours in its middle.
    np.testing.assert_allclose(
        ours(16), theirs(diffrax.Euler(), 16, 0.4 / 16), rtol=1e-9
    )
    fine = theirs(diffrax.ShARK(), 128)
    errors = [np.abs(ours(num) - fine).max() for num in (16, 128)]
    assert errors[1] < errors[0] / 4
    assert errors[1] < 1e-2


def test_drive_draws_the_scheme():
    protocol = moving_protocol()
    times = jnp.linspace(0, 0.8, 11)
    key, x = jax.random.key(5), jnp.asarray([0.5, -0.3, 0.1])
    normals = jnp.stack(
        [jax.random.normal(jax.random.fold_in(key, step), (3,)) for step in range(10)]
    )
    path = euler_maruyama(force_in(protocol), BATH, normals, x, times)
    np.testing.assert_allclose(
        drive(protocol, BATH, key, x, times), path[-1], rtol=1e-5
    )


def test_a_resting_trap_keeps_its_equilibrium():
    """Kolmogorov-Smirnov against the law; a bath a quarter too hot must fail."""

    def p_value(bath):
        def one(key):
            start, move = jax.random.split(key)
            x = equilibrate(start, BATH, STIFFNESS, 2)
            return drive(resting_protocol(2), bath, move, x, jnp.linspace(0, 3, 151))

        keys = jax.random.split(jax.random.key(1), 4000)
        x = np.asarray(jax.jit(jax.vmap(one))(keys))
        law = stats.norm(scale=np.sqrt(BATH.temperature / STIFFNESS))
        return stats.kstest(x.ravel(), law.cdf).pvalue

    assert p_value(BATH) > 0.01
    assert p_value(Bath(0.7, 0.75)) < 1e-6
