"""The ensembles of the experiment: horizons, estimators and controls."""

from dataclasses import replace

from experiments.horizon.controls import frozen, slow
from experiments.training.settings import Settings
from experiments.training.study import Variant

HORIZONS = (1, 2, 4, 16, 0)
"""K, the double steps that the gradient goes back; 0 for all of them."""

DRAWS = 16
"""Draws of every latent state a gradient step, of the averaged estimator."""

LOW_NOISE_DRAWS = 48
"""The same in the control without the noise of mini-batches."""


def horizon_name(horizon: int) -> str:
    """K as the tables show it."""
    return f"K={horizon or 'all'}"


def horizons(base: Settings, seed: int) -> list[Variant]:
    """Every K with both normalisations: the averaged estimator, the exact score."""
    return [
        Variant(
            f"{normalization}-{horizon_name(horizon)}",
            seed,
            replace(_averaged(base), normalization=normalization, horizon=horizon),
        )
        for normalization in ("sigmoid", "softmax")
        for horizon in HORIZONS
    ]


def literal(base: Settings, seed: int) -> list[Variant]:
    """The paper's own rule, along the chain and averaged; and the latter for all K."""
    averaged = replace(_averaged(base), score="paper")
    return [
        Variant("literal-trajectory", seed, base),
        Variant("literal-averaged", seed, averaged),
        Variant("literal-K=all", seed, replace(averaged, horizon=0)),
    ]


def controls(base: Settings, seed: int, num_points: int) -> list[Variant]:
    """For K = 1 and all: w of the best mixture, a slow w_bar, little noise."""
    softmax = replace(_averaged(base), normalization="softmax")
    every = {horizon_name(K): replace(softmax, horizon=K) for K in (1, 0)}
    controlled = [
        Variant(f"{control}-{name}", seed, one, rule(one))
        for control, rule in (("frozen", frozen), ("slow", slow))
        for name, one in every.items()
    ]
    noiseless = [
        Variant(
            f"noiseless-{name}",
            seed,
            replace(
                one,
                batch_first=num_points,
                batch_last=num_points,
                chain_length=LOW_NOISE_DRAWS,
            ),
        )
        for name, one in every.items()
    ]
    return controlled + noiseless


def _averaged(base: Settings) -> Settings:
    return replace(base, score="exact", estimator="averaged", chain_length=DRAWS)
