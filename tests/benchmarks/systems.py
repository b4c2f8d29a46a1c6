"""Random models of the peers' kind."""

import numpy as np

from .. import reference

L, D = 3, 9
"""Latent units and visible bits."""


def random_systems(x_mean):
    """Two random systems without the bias that eq. 20 absorbs, far from equilibrium."""
    return [
        reference.random_system("sigmoid", len(x_mean), L, seed).replace(
            a=np.zeros(len(x_mean)), x_mean=x_mean
        )
        for seed in (4, 5)
    ]
