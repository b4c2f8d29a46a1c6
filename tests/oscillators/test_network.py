import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import QuarticNetwork, all_to_all, box_lattice, lattice

from .systems import GENERATION, random_network


def test_knots_decrease():
    with pytest.raises(ValueError, match="expected decreasing times"):
        QuarticNetwork(GENERATION, jnp.asarray([1.0, 2.0]), jnp.asarray(all_to_all(2)))


@pytest.mark.usefixtures("x64")
def test_protocol_runs_forward():
    network, parameters = random_network(5)
    times = np.asarray(jax.jit(QuarticNetwork.protocol)(network, parameters).times)
    np.testing.assert_allclose(times[[0, -1]], [0, 1.7], atol=1e-12)
    assert (np.diff(times) > 0).all()


def test_topologies():
    assert all_to_all(5).sum() == 10
    for radius in (1.0, 1.5, 2.3):
        pairs = lattice(3, 4, radius)
        for i, j in itertools.product(range(12), repeat=2):
            distance = np.hypot(i // 4 - j // 4, i % 4 - j % 4)
            assert pairs[i, j] == (i < j and distance <= radius)
    np.testing.assert_array_equal(lattice(3, 4, 9.0), all_to_all(12))
    for reach in (0, 1, 2):
        pairs = box_lattice(3, 4, reach)
        for i, j in itertools.product(range(12), repeat=2):
            distance = max(abs(i // 4 - j // 4), abs(i % 4 - j % 4))
            assert pairs[i, j] == (i < j and distance <= reach)
