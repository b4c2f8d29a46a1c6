"""What follows from intervals and counts."""

import numpy as np
import pytest

from experiments.verdict.claims import (
    IN_EVERY_MODEL,
    TENDENCIES,
    Tendency,
    Universal,
)
from experiments.verdict.judgements import (
    Count,
    Judgement,
    best_runs,
    count,
    judge,
    summary,
)


@pytest.mark.parametrize(
    ("offset", "above", "expected"),
    [
        (1.0, True, "yes"),
        (-1.0, True, "no"),
        (0.05, True, "undecided"),
        (-1.0, False, "yes"),
    ],
)
def test_verdicts(offset, above, expected):
    claim = Tendency("mean", "", lambda m: float(np.mean(m["sigma"])), 0.0, above)
    noise = np.random.default_rng(0).standard_normal(120)
    noise -= noise.mean()
    assert judge(claim, {"sigma": offset + noise}).verdict == expected


def test_all_of_many_models_are_not_all_models():
    """A share of 1 in 180 leaves two in a hundred open, which resampling cannot see."""
    members = {"sigma": np.ones(180)}
    share = Tendency("share", "", lambda m: float(np.mean(m["sigma"])), 0.9, share_of=1)
    found = judge(share, members)
    assert (found.value, found.high) == (1, 1)
    assert 0.97 < found.low < 0.985


def test_an_exception_refutes_and_none_bounds():
    (of_sigma,) = (claim for claim in IN_EVERY_MODEL if claim.name == "C2a")
    members = {"sigma_corrected": np.full(1080, 5.0), "sigma_error": np.full(1080, 0.1)}
    assert count(of_sigma, members).in_words() == "no exception in 1080: below 0.277 %"
    members["sigma_error"][0] = 10
    words = "no exception in 1080 (1 unresolved): below 0.438 %"
    assert count(of_sigma, members).in_words() == words
    # Six of 1080 by more than three errors; Clopper and Pearson's interval.
    members["sigma_corrected"][1:7] = -1
    words = "**no**, 6 of 1080: 0.556 % [0.204, 1.21]"
    assert count(of_sigma, members).in_words() == words


def test_without_an_error_every_model_decides():
    claim = Universal("best", "", lambda m: m["sigma"] - 1)
    ensembles = [
        {"sigma": np.array([0.0, s]), "log_likelihood": np.array([-2.0, -1.0])}
        for s in (2.0, 0.5, 3.0)
    ]
    found = count(claim, best_runs(ensembles))
    assert (found.exceptions, found.unresolved, found.total) == (1, 0, 3)


def test_all_findings_in_a_sentence():
    tendency, rule = TENDENCIES[0], IN_EVERY_MODEL[0]
    found = [
        Judgement(tendency, 0.95, 0.93, 0.97),
        Count(rule, 0, 2, 36),
        Count(rule, 1, 0, 36),
    ]
    verdicts = [one.verdict for one in found]
    assert verdicts == ["yes", "undecided", "no"]
    text = summary(found)
    assert text.startswith("Of 3 findings,")
    other = rule.name
    assert f"{tendency.name} hold; {other} do not; {other} are undecided." in text
