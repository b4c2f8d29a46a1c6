import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import ForceMatching

from .systems import GENERATION, random_network


@pytest.mark.usefixtures("x64")
def test_loss_weight_makes_the_noise_of_the_target_one():
    """Var of the conditional target is (c kT + kT')^2 / s^2 at every time."""

    @jax.jit
    def noise(network, parameters):
        share = jnp.full((3, 4000), 0.5)
        m = ForceMatching().measure(
            network,
            network.potential(parameters),
            jax.random.key(0),
            jnp.zeros((3, 4000, 2)),
            share,
        )
        of_target = m.target - GENERATION.pace * GENERATION.noising.stiffness * m.x
        weight = GENERATION.loss_weight(network.times_between(share))
        return weight[..., None] * of_target**2

    noise = np.asarray(noise(*random_network(2)))
    np.testing.assert_allclose(noise.mean((1, 2)), 1, atol=0.06)
