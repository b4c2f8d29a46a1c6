"""The ensembles of a verdict: four readings of the paper, and other settings."""

from collections.abc import Iterable
from dataclasses import replace

from experiments.training.settings import Settings
from experiments.training.study import Variant


def readings(
    base: Settings, paper_seeds: Iterable[int], other_seeds: Iterable[int]
) -> list[Variant]:
    """The four readings of the paper's equations, its own one first.

    **Arguments:** `paper_seeds`, of the ensembles of its own reading; `other_seeds`, of
    those of each of the others.
    """
    seeds = {("sigmoid", "paper"): list(paper_seeds)}
    others = list(other_seeds)
    return [
        Variant(
            f"{normalization}-{score}",
            seed,
            replace(base, normalization=normalization, score=score),
        )
        for normalization in ("sigmoid", "softmax")
        for score in ("paper", "exact")
        for seed in seeds.get((normalization, score), others)
    ]


def sensitivities(base: Settings, seed: int) -> list[Variant]:
    """The default reading with one setting changed at a time."""
    changes = [
        *({"eps": eps} for eps in (1e-3, 1e-2)),
        *({"decay": decay} for decay in (0.5, 0.99)),
        *({"learning_rate": rate} for rate in (0.03, 0.3)),
        *({"chain_length": length} for length in (12, 192)),
        *({"units": units} for units in (3, 4, 8, 12)),
    ]
    return [
        Variant(
            "-".join(f"{name}={value}" for name, value in change.items()),
            seed,
            replace(base, **change),
        )
        for change in changes
    ]
