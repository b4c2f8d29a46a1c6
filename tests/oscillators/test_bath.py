from functools import partial

import chex
import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Bath, Generation, Noising, hold, refine

from .systems import BATH, moving_protocol

STIFFNESS = 1.3
RATE = 0.7 * 1.3


def test_bath_is_checked():
    with pytest.raises(ValueError, match=r"temperature=-1\.0: expected"):
        Bath(1.0, -1.0)
    with pytest.raises(ValueError, match=r"mobility=0\.0: expected"):
        Bath(0.0)
    with pytest.raises(ValueError, match=r"mobility\[1\]=-1\.0: expected"):
        Bath(jnp.asarray([1.0, -1.0]))
    held = hold(BATH, jnp.asarray([True, False]))
    with pytest.raises(ValueError, match=r"has shape \(2,\): expected one number"):
        hold(held, jnp.asarray([True, False]))
    for owner in (Noising, Generation):
        with pytest.raises(ValueError, match="hold oscillators in the bath"):
            owner(bath=held)


def test_refine():
    found = jax.jit(refine, static_argnums=1)(jnp.asarray([0.0, 1.0, 4.0]), 2)
    np.testing.assert_allclose(found, [0, 0.5, 1, 2.5, 4])


def test_reach_keeps_stiff_wells_finite():
    """x^6 at steps far too long for it; shorter steps take the force as it is."""

    @jax.jit
    def end(bath):
        normals, times = jnp.zeros((30, 1)), jnp.linspace(0.0, 3.0, 31)
        start = jnp.full(1, 4.0)
        return bath.euler_maruyama(lambda _, x: -(x**5), normals, start, times)

    free, limited = (np.asarray(end(Bath(1.0, 1.0, reach))) for reach in (np.inf, 0.5))
    assert not np.isfinite(free).all()
    np.testing.assert_allclose(limited[:7, 0], np.arange(4, 0.9, -0.5), rtol=1e-6)
    last = limited[7]
    np.testing.assert_allclose(limited[8], last - 0.1 * last**5, rtol=1e-5)


def trap_end(normals, x, end):
    """Where one oscillator in a resting trap ends, for given normal numbers."""
    times = jnp.linspace(0, end, len(normals) + 1)
    path = BATH.euler_maruyama(
        lambda _, x: -STIFFNESS * x, normals[:, None], x[None], times
    )
    return path[-1, 0]


@pytest.mark.usefixtures("x64")
def test_weak_order_of_the_harmonic_case():
    """The scheme is linear there: its mean and variance follow from derivatives.

    The exact ones are exp(-rate t) x0 and (1 - exp(-2 rate t)) kT / k; both errors
    must fall like the step.
    """
    end = 1.2
    slopes = jax.jit(jax.grad(partial(trap_end, end=end), argnums=(0, 1)))
    variance = BATH.temperature / STIFFNESS * (1 - np.exp(-2 * RATE * end))
    errors = []
    for num in (20, 40, 80):
        to_normals, to_start = map(
            np.asarray, slopes(jnp.asarray(np.zeros(num)), jnp.asarray(1.0))
        )
        errors.append(
            [
                abs(to_start - np.exp(-RATE * end)),
                abs(np.sum(to_normals**2) - variance),
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
    kicks = np.random.default_rng(0).normal(size=(paths, fine)) * np.sqrt(dt)
    w = np.concatenate([np.zeros((paths, 1)), np.cumsum(kicks, 1)], 1)
    kernel = np.exp(-RATE * (end - np.linspace(0, end, fine + 1)))
    integral = np.trapezoid(w * kernel, dx=dt, axis=1)
    scale = np.sqrt(2 * BATH.mobility * BATH.temperature)
    exact = scale * (w[:, -1] - RATE * integral)
    ends = jax.jit(jax.vmap(lambda normals: trap_end(normals, jnp.zeros(()), end)))

    def error(num):
        normals = kicks.reshape(paths, num, -1).sum(2) / np.sqrt(end / num)
        return np.sqrt(np.mean((np.asarray(ends(jnp.asarray(normals))) - exact) ** 2))

    errors = [error(num) for num in (16, 32, 64)]
    np.testing.assert_allclose(
        np.log2([errors[0] / errors[1], errors[1] / errors[2]]), 1, atol=0.12
    )


class Kicks(diffrax.AbstractBrownianPath):
    """Increments W over equal steps, and their space-time Levy areas H."""

    W: jax.Array
    H: jax.Array
    step: float
    t0 = 0.0
    t1 = 0.8
    levy_area = diffrax.SpaceTimeLevyArea

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        k = jnp.rint(t0 / self.step).astype(int)
        dt = jnp.asarray(self.step)
        area = diffrax.SpaceTimeLevyArea(dt=dt, W=self.W[k], H=self.H[k])
        return area if use_levy else area.W


@pytest.mark.usefixtures("x64")
def test_agrees_with_diffrax():
    """Equal to diffrax's Euler scheme, and near its solver of strong order 1.5."""
    protocol, x0 = moving_protocol(), jnp.asarray([0.5, -0.3, 0.1])
    paths, fine = 20, 128
    rng, scale = np.random.default_rng(3), np.sqrt(0.8 / fine)
    W = scale * rng.normal(size=(paths, fine, 3))
    H = scale / np.sqrt(12) * rng.normal(size=(paths, fine, 3))
    spread = np.sqrt(2 * BATH.mobility * BATH.temperature)

    def force_at(time, x):
        return protocol.at(time).force(x)

    def kicks(num):
        """The same motion in `num` steps."""
        return W.reshape(paths, num, -1, 3).sum(2)

    @partial(jax.jit, static_argnums=(0, 3))
    @partial(jax.vmap, in_axes=(None, 0, 0, None))
    def theirs(solver, W, H, shift):
        step = 0.8 / len(W)
        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, x, _: BATH.mobility * force_at(t + shift, x)),
            diffrax.ControlTerm(lambda t, x, _: spread * jnp.eye(3), Kicks(W, H, step)),
        )
        return diffrax.diffeqsolve(terms, solver, 0.0, 0.8, step, x0).ys[-1]

    @jax.jit
    @jax.vmap
    def scheme(normals):
        times = jnp.asarray(np.linspace(0, 0.8, len(normals) + 1))
        return BATH.euler_maruyama(force_at, normals, x0, times)[-1]

    def ours(num):
        return scheme(jnp.asarray(kicks(num) / np.sqrt(0.8 / num)))

    # Their scheme evaluates the drift where a step starts, ours in its middle.
    coarse = jnp.asarray(kicks(16))
    euler = theirs(diffrax.Euler(), coarse, jnp.zeros_like(coarse), 0.4 / 16)
    chex.assert_trees_all_close(ours(16), euler, rtol=1e-9)
    exact = theirs(diffrax.ShARK(), jnp.asarray(W), jnp.asarray(H), 0.0)
    errors = [np.sqrt(np.mean((ours(num) - exact) ** 2)) for num in (16, fine)]
    assert errors[1] < errors[0] / 4
    assert errors[1] < 1e-2
