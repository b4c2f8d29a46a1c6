"""Ensembles at equilibrium: restricted Boltzmann machines, to compare with."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import optax

from experiments.command.errors import UserError
from experiments.training.settings import MAX_STATES, Settings
from experiments.training.study import Variant
from nelc_jax import Pcd
from nelc_jax.rules import ExactPhase, PersistentChain

RATE_STEPS = 1 / 6
"""The share of training after which the RBM's learning rate is half the first one."""


def rbms(base: Settings, seeds: Iterable[int]) -> list[Variant]:
    """The RBMs with a one-hot and with a Bernoulli hidden layer."""
    found = []
    for latent in ("onehot", "binary"):
        settings = replace(base, latent=latent, normalization="softmax")
        rule = rbm_rule(settings)
        found += [Variant(f"rbm-{latent}", seed, settings, rule) for seed in seeds]
    return found


@cache
def rbm_rule(settings: Settings) -> Pcd:
    """Persistent contrastive divergence with these settings, at a falling rate.

    The same object for the same settings: what was compiled for it is found again.

    **Raises:** `UserError` for more binary latent states than can be summed over.
    """
    half = RATE_STEPS * settings.epochs * settings.steps_per_epoch
    falling = optax.scale_by_schedule(lambda step: 1 / (1 + (step / half) ** 2))
    # The chain between the modes of Bernoulli units is too slow to train by.
    exact = settings.latent == "binary"
    latent = settings.latent_space()
    if exact and not latent.enumerable:
        raise UserError(
            f"--units {settings.units}: the RBM with a binary layer is trained on sums "
            f"over its 2^{settings.units} states, of {MAX_STATES} at most: use fewer "
            "units"
        )
    return Pcd(
        latent,
        ExactPhase() if exact else PersistentChain(settings.chain_length),
        optax.chain(settings.optimizer(), falling),
    )
