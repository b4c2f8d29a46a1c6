"""Ensembles at equilibrium: restricted Boltzmann machines, to compare with."""

from collections.abc import Iterable
from dataclasses import replace

import optax

from experiments.training.settings import Settings
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
        # One for all seeds: another one, though made alike, would be compiled again.
        rule = rbm_rule(settings)
        found += [Variant(f"rbm-{latent}", seed, settings, rule) for seed in seeds]
    return found


def rbm_rule(settings: Settings) -> Pcd:
    """Persistent contrastive divergence with these settings, at a falling rate."""
    half = RATE_STEPS * settings.epochs * settings.steps_per_epoch
    falling = optax.scale_by_schedule(lambda step: 1 / (1 + (step / half) ** 2))
    # The chain between the modes of Bernoulli units is too slow to train by.
    exact = settings.latent == "binary"
    return Pcd(
        settings.latent_space(),
        ExactPhase() if exact else PersistentChain(settings.chain_length),
        optax.chain(settings.optimizer(), falling),
    )
