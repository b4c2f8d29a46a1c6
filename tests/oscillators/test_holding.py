"""Oscillators that are held while others are driven, in a potential of known law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Protocol, Quartic, drive, drive_metered, hold

from ..compilation import long_run
from .systems import BATH

pytestmark = pytest.mark.usefixtures("x64")

NUM = 4000
HELD = np.array([False, True, False])
VALUE = 1.5
STIFF = 2.0
MATRIX = np.array([[2.0, 0.7, -0.6], [0.7, 1.5, 0.5], [-0.6, 0.5, 1.8]])
PUSH = np.array([0.4, -0.3, 0.2])


def protocol():
    """From a trap to springs within a time of 6, which then stand still for 6."""
    springs = PUSH, np.diag(MATRIX), np.triu(MATRIX, 1)
    trap = np.zeros(3), np.full(3, STIFF), np.zeros((3, 3))
    b, k, J = map(np.stack, zip(trap, springs, springs, strict=True))
    potential = Quartic(*map(jnp.asarray, (b, k, np.zeros_like(k), J)))
    return Protocol(jnp.asarray([0.0, 6.0, 12.0]), potential)


@long_run
def paths(held):
    """From the trap's equilibrium given what is held at VALUE."""
    bath, times = hold(BATH, held), jnp.linspace(0.0, 12.0, 601)

    @jax.vmap
    def one(key):
        start, move = jax.random.split(key)
        x = jnp.where(held, VALUE, BATH.equilibrate(start, STIFF, 3))
        return drive_metered(protocol(), bath, move, x, times)

    return one(jax.random.split(jax.random.key(0), NUM))


def given(held):
    """Mean and covariance of the free, and the free energy: V is quadratic in them."""
    free, value = ~held, np.full(held.sum(), VALUE)
    own = MATRIX[np.ix_(free, free)]
    push = PUSH[free] + MATRIX[np.ix_(free, held)] @ value
    inverse = np.linalg.inv(own)
    energy = PUSH[held] @ value + value @ MATRIX[np.ix_(held, held)] @ value / 2
    energy -= push @ inverse @ push / 2
    energy -= STIFF * value @ value / 2
    ratio = np.linalg.slogdet(own)[1] - free.sum() * np.log(STIFF)
    energy += BATH.temperature / 2 * ratio
    return -inverse @ push, BATH.temperature * inverse, energy


def test_slow_driving_ends_in_the_law_given_what_is_held():
    """Moments to 5 errors and the bias of the step, mu k dt / 4 = 1 % at most."""
    found = paths(jnp.asarray(HELD))
    x = np.asarray(found.x)
    assert (x[:, HELD] == VALUE).all()
    mean, covariance, energy = given(HELD)
    x = x[:, ~HELD]
    errors = 5 * np.sqrt(np.diag(covariance) / NUM)
    assert (abs(x.mean(axis=0) - mean) < errors).all()
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    error = scale * (5 * np.sqrt(2 / NUM) + 0.01)
    assert (abs(np.cov(x.T) - covariance) < error).all()
    # Jarzynski's equality, for what is done on the free in the potential of all.
    weights = np.exp(-(np.asarray(found.work) - energy) / BATH.temperature)
    error = 5 * weights.std() / np.sqrt(NUM)
    assert abs(weights.mean() - 1) < error
    # The control: nothing is held, and both laws are others.
    nobody = np.zeros(3, bool)
    mean_of_all, _, energy_of_all = given(nobody)
    assert (abs(mean_of_all[~HELD] - mean) > 2 * errors).any()
    ends = np.asarray(paths(jnp.asarray(nobody)).x)[:, ~HELD]
    assert (abs(ends.mean(axis=0) - mean) > errors).any()
    shifted = np.exp((energy_of_all - energy) / BATH.temperature)
    assert abs(shifted * weights.mean() - 1) > error


def test_with_and_without_an_account():
    """The same path; without a held one, that of a plain bath."""
    x, times = jnp.asarray([0.3, VALUE, -0.2]), jnp.linspace(0.0, 2.0, 9)

    @jax.jit
    def ends(bath):
        key = jax.random.key(3)
        return (
            drive(protocol(), bath, key, x, times),
            drive_metered(protocol(), bath, key, x, times).x,
        )

    plain, held = (
        ends(hold(BATH, jnp.zeros(3, bool))),
        ends(hold(BATH, jnp.asarray(HELD))),
    )
    np.testing.assert_allclose(plain[0], ends(BATH)[0], rtol=1e-12)
    np.testing.assert_allclose(*held, rtol=1e-12)
    assert held[0][1] == VALUE
    assert (held[0] != plain[0]).all()
