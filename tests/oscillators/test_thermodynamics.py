import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import (
    Generation,
    NormalMixture,
    drive_metered,
    entropy_production,
    ideal_entropy_rate,
)

from ..compilation import long_run
from .systems import BATH, NOISING, moving_trap


@pytest.mark.usefixtures("x64")
def test_ideal_entropy_production():
    """In sum, at the pace of the noising, the loss of relative entropy to the trap.

    And in proportion to 1 / duration, in the same bath.
    """
    mixture = NormalMixture(
        jnp.asarray([[0.7], [-0.9]]),
        jnp.asarray(0.04),
        jnp.log(jnp.asarray([0.4, 0.6])),
    )
    grid, width = jnp.linspace(-5, 5, 1001)[:, None], 10 / 1000
    early, late = jnp.asarray(NOISING.earliest), jnp.asarray(NOISING.latest)

    def total(duration):
        generation = Generation(NOISING, BATH, duration)

        def rate(time):
            law = mixture.noised(NOISING, time)

            # The mean over p_t as an integral: each point with its own weight.
            def at(x):
                score = jax.grad(law.log_density)(x)
                cost = ideal_entropy_rate(generation, x[None], score[None])
                return jnp.exp(law.log_density(x)) * cost

            return jnp.sum(jax.vmap(at)(grid)) * width

        times = jnp.geomspace(early, late, 801)
        return jnp.trapezoid(jax.lax.map(rate, times), times) * duration / 2.95

    def relative_entropy(time):
        trap = NOISING.stiffness / BATH.temperature
        log_trap = jnp.log(trap / (2 * jnp.pi)) / 2 - trap * grid[:, 0] ** 2 / 2
        log_p = jax.vmap(mixture.noised(NOISING, time).log_density)(grid)
        return jnp.sum(jnp.exp(log_p) * (log_p - log_trap)) * width

    @jax.jit
    def both(duration):
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
    v1 = BATH.temperature / k
    protocol, times = moving_trap(4.0, k, k), jnp.linspace(0, 4.0, 401)

    @long_run
    @jax.vmap
    def heat(key):
        start, move = jax.random.split(key)
        x = BATH.equilibrate(start, BATH.temperature / v0, 1)
        return drive_metered(protocol, BATH, move, x, times).heat

    heats = heat(jax.random.split(jax.random.key(0), 20000))
    entropies = [0.5 * np.log(2 * np.pi * np.e * v) for v in (v0, v1)]
    found = entropy_production(heats, BATH, *entropies)
    expected = 0.5 * (v0 / v1 - 1 - np.log(v0 / v1))
    np.testing.assert_allclose(found, expected, atol=0.02)
