"""Random RBMs, the brute-force system that each one is, and comparison of trees."""

import jax
import numpy as np

from nelc_jax.baselines import rbm

from .. import reference


def random_rbm(kind, num_visible=5, num_units=3, seed=5):
    """The system of `reference.random_system` with w_bar tied to w, and that system."""
    system = reference.random_system(kind, num_visible, num_units, seed)
    # Half the weights: the joint law has both matrices in one, and still mixes.
    w = 0.5 * system.w
    system = system.replace(w=w, w_bar=w.T)
    model = reference.to_model(system)
    p = model.parameters
    machine = rbm.Rbm(rbm.Parameters(p.w, p.a, p.a_bar), model.x_mean, model.latent)
    return system, machine


def numbers(tree):
    """The arrays of a tree, keys as their words."""
    return [
        np.asarray(
            jax.random.key_data(leaf)
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else leaf
        )
        for leaf in jax.tree.leaves(tree)
    ]


def assert_close(found, expected, tolerance):
    for f, e in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)
