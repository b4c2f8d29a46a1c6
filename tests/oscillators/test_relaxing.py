import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import Bath, Protocol, QuarticWell, drive_relaxing

from ..compilation import long_run
from .systems import stack, trapped_hidden, visible_moments

pytestmark = pytest.mark.usefixtures("x64")

BATH = Bath(0.9, 0.7)
NUM = 4000
WELL = QuarticWell(-2.0, 2.0)
END, STEPS = 6.0, 200


@long_run
def ends(p, relaxation):
    protocol = Protocol(
        jnp.asarray([0.0, END]), jax.tree.map(lambda a: jnp.stack([a, a]), p)
    )
    times = jnp.linspace(0.0, END, STEPS + 1)

    @jax.vmap
    def one(key):
        start, move = jax.random.split(key)
        x = BATH.equilibrate(start, 2.0, 1)
        return drive_relaxing(protocol, BATH, move, x, times, relaxation, 3)

    return one(jax.random.split(jax.random.key(1), NUM))[:, 0]


def test_equilibrium_is_that_of_the_free_energy():
    """That of x and h together is kept, whatever the speed of h, as steps go to zero.

    To 5 errors and the biases of the steps: of x mu k dt / 4 < 1 %, and of h, in
    wells of curvature 4, 4 ds / 4 = 2 %, of which the springs pass on less than all.
    """
    p = trapped_hidden(BATH.temperature, WELL)
    # Weaker springs, so that both find their equilibrium in this time.
    p = eqx.tree_at(lambda p: (p.A, p.c), p, (p.A / 2, p.c / 2))
    mean, square = visible_moments(p, BATH.temperature)
    x = np.asarray(ends(p, jnp.asarray(0.06)))
    assert abs(x.mean() - mean) < 5 * x.std() / np.sqrt(NUM) + 0.025 * square
    error = 5 * (x**2).std() / np.sqrt(NUM) + 0.025 * square
    assert abs((x**2).mean() - square) < error
    # The control: the trap alone, in which x starts.
    alone = BATH.temperature / 2.0
    assert abs(square - alone) > 2 * error


def test_only_wells_relax():
    """Two states have no motion between them."""
    protocol = Protocol(jnp.arange(2.0), stack(2 * [trapped_hidden(1.0)]))
    arguments = BATH, jax.random.key(0), jnp.zeros(1), jnp.arange(2.0)
    with pytest.raises(TypeError, match="expected Hidden potentials with QuarticWell"):
        drive_relaxing(protocol, *arguments, 1.0, 2)
    wells = Protocol(jnp.arange(2.0), stack(2 * [trapped_hidden(1.0, WELL)]))
    with pytest.raises(ValueError, match=r"relaxation=0\.0: expected a positive"):
        drive_relaxing(wells, *arguments, 0.0, 2)
