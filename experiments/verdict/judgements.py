"""Whether a finding holds, on all models pooled.

A tendency holds where the whole 95 % interval of its statistic lies on its side of the
threshold, does not hold where it lies on the other, and is undecided else. A finding
about every model is refuted by one exception, whose rate then has an interval; without
one, the rate has a bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.report.tables import markdown_table
from experiments.verdict.claims import (
    IN_EVERY_BEST_RUN,
    IN_EVERY_MODEL,
    OF_LABELS,
    TENDENCIES,
    Tendency,
    Universal,
)
from experiments.verdict.intervals import (
    bootstrap_interval,
    highest_rate,
    share_interval,
)
from experiments.verdict.members import Members, pooled, rows


@dataclass(frozen=True)
class Judgement:
    """A tendency's value, its 95 % interval, and what follows."""

    claim: Tendency
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """yes, no, or undecided."""
        above, below = self.low > self.claim.threshold, self.high < self.claim.threshold
        if not self.claim.above:
            above, below = below, above
        return "yes" if above else "no" if below else "undecided"

    def in_words(self) -> str:
        """For a cell of a table."""
        return f"**{self.verdict}**, {self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Count:
    """Of `total` models, how many contradict a rule, and how many do not decide."""

    claim: Universal
    exceptions: int
    unresolved: int
    total: int

    @property
    def verdict(self) -> str:
        """no, undecided where a model is within its error, else yes so far."""
        return "no" if self.exceptions else "undecided" if self.unresolved else "yes"

    def in_words(self) -> str:
        """For a cell of a table; what is unresolved counts in the bound."""
        if self.exceptions:
            low, high = share_interval(self.exceptions, self.total)
            rate = self.exceptions / self.total
            return (
                f"**no**, {self.exceptions} of {self.total}: "
                f"{100 * rate:.3g} % [{100 * low:.3g}, {100 * high:.3g}]"
            )
        unresolved = f" ({self.unresolved} unresolved)" if self.unresolved else ""
        bound = 100 * highest_rate(self.unresolved, self.total)
        return f"no exception in {self.total}{unresolved}: below {bound:.3g} %"


def judge(claim: Tendency, members: Members) -> Judgement:
    """Value and interval of a statistic.

    Models that are all alike stay so when drawn again: the interval of a share is never
    narrower than the exact one.
    """
    found = claim.statistic(members)
    low, high = bootstrap_interval(claim.statistic, members)
    if claim.share_of is not None:
        count = round(claim.share_of * len(members["sigma"]))
        exact = share_interval(round(found * count), count)
        low, high = min(low, exact[0]), max(high, exact[1])
    return Judgement(claim, found, low, high)


def count(claim: Universal, members: Members) -> Count:
    """The exceptions among some models."""
    margin = claim.margin(members)
    error = members[claim.error] if claim.error else np.zeros_like(margin)
    exceptions, holds = margin < -3 * error, margin > 3 * error
    unresolved = len(margin) - exceptions.sum() - holds.sum()
    return Count(claim, int(exceptions.sum()), int(unresolved), len(margin))


def best_runs(ensembles: Sequence[Members]) -> Members:
    """The model of highest likelihood of each ensemble."""
    found = [rows(m, np.argmax(m["log_likelihood"], keepdims=True)) for m in ensembles]
    return pooled(found)


def judge_all(ensembles: Sequence[Members]) -> list[Judgement | Count]:
    """All findings that the data allow: without labels there are no classes."""
    members, best = pooled(ensembles), best_runs(ensembles)
    found = [
        *(judge(c, members) for c in TENDENCIES if _known(c.name, members)),
        *(count(c, members) for c in IN_EVERY_MODEL),
        *(count(c, best) for c in IN_EVERY_BEST_RUN if _known(c.name, members)),
    ]
    return sorted(found, key=lambda one: one.claim.name)


def claims_table(judgements: dict[str, list[Judgement | Count]]) -> str:
    """One row a finding, one column a reading."""
    table = {
        claim.name: {"Holds where": _condition(claim)}
        | {group: "no labels" for group in judgements}
        for claim in _all_claims()
    }
    for group, found in judgements.items():
        for one in found:
            table[one.claim.name][group] = one.in_words()
    return markdown_table(table, "Finding")


def summary(found: Sequence[Judgement | Count]) -> str:
    """All of them in a sentence."""
    names = {
        verdict: ", ".join(one.claim.name for one in found if one.verdict == verdict)
        for verdict in ("yes", "no", "undecided")
    }
    return (
        f"Of {len(found)} findings, read as the paper writes its equations, "
        f"{names['yes'] or 'none'} hold; {names['no'] or 'none'} do not; "
        f"{names['undecided'] or 'none'} are undecided."
    )


def claims_list() -> str:
    """What each finding is."""
    return "\n".join(f"- **{claim.name}**: {claim.text}." for claim in _all_claims())


def _all_claims() -> list[Tendency | Universal]:
    every = [*TENDENCIES, *IN_EVERY_MODEL, *IN_EVERY_BEST_RUN]
    return sorted(every, key=lambda claim: claim.name)


def _condition(claim: Tendency | Universal) -> str:
    if isinstance(claim, Tendency):
        return f"{'>' if claim.above else '<'} {claim.threshold:g}"
    return "in every best run" if claim in IN_EVERY_BEST_RUN else "in every model"


def _known(name: str, members: Members) -> bool:
    return name not in OF_LABELS or "kl" in members
