import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Bath, Protocol, Quartic, drive_flipping

from ..compilation import long_run
from .systems import stack, trapped_hidden, visible_moments

pytestmark = pytest.mark.usefixtures("x64")

BATH = Bath(0.9, 0.7)
NUM = 4000


@long_run
def ends(p, probability):
    protocol = Protocol(
        jnp.asarray([0.0, 3.0]), jax.tree.map(lambda a: jnp.stack([a, a]), p)
    )
    times = jnp.linspace(0.0, 3.0, 301)

    @jax.vmap
    def one(key):
        start, move = jax.random.split(key)
        x = BATH.equilibrate(start, 2.0, 1)
        return drive_flipping(protocol, BATH, move, x, times, probability)

    return one(jax.random.split(jax.random.key(1), NUM))[:, 0]


@pytest.mark.parametrize("probability", [1.0, 0.2])
def test_equilibrium_is_that_of_the_free_energy(probability):
    """To 5 errors and the bias of the step, mu k dt / 4 = 0.5 %, of the moments."""
    p = trapped_hidden(BATH.temperature)
    mean, square = visible_moments(p, BATH.temperature)
    x = np.asarray(ends(p, probability))
    assert abs(x.mean() - mean) < 5 * x.std() / np.sqrt(NUM) + 0.01 * square
    error = 5 * (x**2).std() / np.sqrt(NUM) + 0.01 * square
    assert abs((x**2).mean() - square) < error
    # The control: the trap alone, in which x starts.
    alone = BATH.temperature / 2.0
    assert abs(square - alone) > 2 * error


def test_only_hidden_oscillators_flip():
    quartic = Protocol(jnp.arange(2.0), stack(2 * [Quartic.trap(1, 1.0)]))
    arguments = BATH, jax.random.key(0), jnp.zeros(1), jnp.arange(2.0)
    with pytest.raises(TypeError, match="expected Hidden potentials"):
        drive_flipping(quartic, *arguments)
    hidden = Protocol(jnp.arange(2.0), stack(2 * [trapped_hidden(1.0)]))
    with pytest.raises(ValueError, match=r"probability=1\.5: expected a probability"):
        drive_flipping(hidden, *arguments, probability=1.5)
