import chex
import jax
import numpy as np

from experiments.oscillators import gaussians, members
from nelc_jax.oscillators import Learner, all_to_all


def test_members_do_not_depend_on_company():
    """Three on two devices, one of them twice, and the second alone."""
    network = members.network_at_pace(gaussians.BROAD.noising, all_to_all(2), 12)
    learner = Learner(network, optimizer=members.cosine_adam(0.02, 40), batch=4)
    keys = jax.random.split(jax.random.key(0), 3)
    x = np.random.default_rng(0).normal(size=(500, 2))
    together, alone = (
        members.train_members("", learner, chosen, x, 40)
        for chosen in (keys, keys[1:2])
    )
    assert together.losses.shape == (3, 40)
    np.testing.assert_allclose(together.losses[1], alone.losses[0], rtol=1e-4)
    found = jax.tree.map(lambda array: array[1:2], together.protocols)
    chex.assert_trees_all_close(found, alone.protocols, rtol=1e-3, atol=1e-5)
    assert len(np.unique(together.losses[:, 0])) == 3
