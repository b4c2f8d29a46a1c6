"""The ensembles of the experiment: horizons, estimators and controls."""

from dataclasses import replace

from experiments.verdict.parts import Part

HORIZONS = (1, 2, 4, 16, None)
"""K, the double steps that the gradient goes back; None for all of them."""

DRAWS = 16
"""Draws of every latent state a gradient step, of the averaged estimator."""

LOW_NOISE_DRAWS = 48
"""The same in the control without the noise of mini-batches."""


def horizon_name(horizon: int | None) -> str:
    """K as the tables show it."""
    return f"K={'all' if horizon is None else horizon}"


def horizons(base: Part) -> list[Part]:
    """Every K with both normalisations: the averaged estimator, the exact score."""
    return [
        replace(
            _averaged(base),
            group=f"{normalization}-{horizon_name(horizon)}",
            normalization=normalization,
            horizon=horizon,
        )
        for normalization in ("sigmoid", "softmax")
        for horizon in HORIZONS
    ]


def literal(base: Part) -> list[Part]:
    """The paper's own rule, along the chain and averaged; and the latter for all K."""
    averaged = replace(_averaged(base), score="paper")
    return [
        replace(base, group="literal-trajectory"),
        replace(averaged, group="literal-averaged"),
        replace(averaged, group="literal-K=all", horizon=None),
    ]


def controls(base: Part, num_points: int) -> list[Part]:
    """For K = 1 and all: w of the best mixture, a slow w_bar, little noise."""
    noiseless = {
        "batch_first": num_points,
        "batch_last": num_points,
        "chain_length": LOW_NOISE_DRAWS,
    }
    return [
        replace(
            _averaged(base),
            group=f"{name}-{horizon_name(horizon)}",
            normalization="softmax",
            horizon=horizon,
            **changes,
        )
        for name, changes in (
            ("frozen", {"control": "frozen"}),
            ("slow", {"control": "slow"}),
            ("noiseless", noiseless),
        )
        for horizon in (1, None)
    ]


def _averaged(base: Part) -> Part:
    return replace(base, score="exact", estimator="averaged", chain_length=DRAWS)
