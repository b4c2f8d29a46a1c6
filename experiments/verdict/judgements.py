"""Whether a claim holds: bootstrap intervals of its statistic, against its threshold.

The interval comes from resampling ensembles and, within them, models, with replacement;
that of a share is never narrower than the exact one of Clopper and Pearson, since
models that are all alike stay so when resampled. A claim holds where the whole interval
lies on its side of the threshold, does not hold where it lies on the other, and is
undecided else.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.verdict.claims import CLAIMS, Claim, Members


@dataclass(frozen=True)
class Judgement:
    """A claim's value, its 95 % interval, and what follows."""

    claim: Claim
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """holds, does not hold, or undecided."""
        above, below = self.low > self.claim.threshold, self.high < self.claim.threshold
        if not self.claim.above:
            above, below = below, above
        return "holds" if above else "does not hold" if below else "undecided"


def judge(
    claim: Claim, ensembles: list[Members], seed: int = 0, resamples: int = 400
) -> Judgement:
    """Value and 95 % interval of a claim's statistic over some ensembles.

    One ensemble has no interval where each is taken alone (nan, which decides nothing).
    """
    if claim.per_ensemble:
        alone = np.array([claim.statistic(members) for members in ensembles])
        count, mean = len(alone), float(alone.mean())
        if count < 2:
            return Judgement(claim, mean, float("nan"), float("nan"))
        half = stats.t.ppf(0.975, count - 1) * alone.std(ddof=1) / np.sqrt(count)
        return Judgement(claim, mean, float(mean - half), float(mean + half))
    rng = np.random.default_rng(seed)

    def value(chosen: list[Members]) -> float:
        pooled = {k: np.concatenate([m[k] for m in chosen]) for k in chosen[0]}
        return claim.statistic(pooled)

    def resampled() -> list[Members]:
        chosen = []
        for number in rng.integers(len(ensembles), size=len(ensembles)):
            members = ensembles[number]
            size = len(members["sigma"])
            rows = rng.integers(size, size=size)
            chosen.append({k: column[rows] for k, column in members.items()})
        return chosen

    values = [value(resampled()) for _ in range(resamples)]
    found = value(ensembles)
    low, high = np.nanquantile(values, (0.025, 0.975))
    if claim.share_of is not None:
        count = sum(len(members["sigma"]) for members in ensembles)
        exact = share_interval(found, round(claim.share_of * count))
        low, high = min(low, exact[0]), max(high, exact[1])
    return Judgement(claim, found, float(low), float(high))


def share_interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` (Clopper and Pearson, 1934)."""
    successes = round(share * count)
    low, high = stats.beta.ppf(
        (0.025, 0.975),
        (successes, successes + 1),
        (count - successes + 1, count - successes),
    )
    return (low if successes else 0.0, high if successes < count else 1.0)


def judge_all(ensembles: list[Members], seed: int = 0) -> list[Judgement]:
    """All claims that the data allow: without labels there are no classes."""
    known = [c for c in CLAIMS if c.name not in ("C4", "C7b") or "kl" in ensembles[0]]
    return [judge(claim, ensembles, seed) for claim in known]
