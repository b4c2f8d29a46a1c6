"""Ensembles at equilibrium: restricted Boltzmann machines, to compare with."""

from collections.abc import Iterable
from dataclasses import replace

from experiments.training.settings import Settings
from experiments.training.study import Variant
from experiments.training.trainers import Equilibrium, Rule
from nelc_jax.baselines import pcd

RATE_STEPS = 1 / 6
"""The share of training after which the RBM's learning rate is half the first one."""


def rbms(base: Settings, seeds: Iterable[int]) -> list[Variant]:
    """The RBMs with a one-hot and with a Bernoulli hidden layer."""
    onehot = replace(base, latent="onehot", normalization="softmax")
    binary = replace(base, latent="binary")
    return [
        Variant(f"rbm-{settings.latent}", seed, settings, rbm_rule(settings))
        for settings in (onehot, binary)
        for seed in seeds
    ]


def rbm_rule(settings: Settings) -> Rule:
    """Persistent contrastive divergence with these settings."""
    steps = settings.epochs * settings.steps_per_epoch
    config = pcd.Config(
        settings.chain_length,
        decay=settings.decay,
        eps=settings.eps,
        # The chain between the modes of Bernoulli units is too slow to train by.
        negative="exact" if settings.latent == "binary" else "chain",
        rate_steps=RATE_STEPS * steps,
    )
    return Equilibrium(settings.latent_space(), config)
