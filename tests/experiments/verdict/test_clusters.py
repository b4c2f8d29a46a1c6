"""Models at known optima of a mixture get their names."""

import numpy as np
import pytest

from experiments.data.dataset import Dataset
from experiments.verdict import clusters
from nelc_jax import OneHot

from ..synthetic import synthetic_run

PATTERNS = np.kron(np.eye(4), np.ones((1, 4))).astype(bool)
"""Four patterns of sixteen pixels; two of each class."""


@pytest.fixture(scope="module")
def found():
    """Models of four states: one a pattern; two on one of them; one state dead."""
    rng = np.random.default_rng(0)
    kinds = np.arange(200) % 4
    x = PATTERNS[kinds] ^ (rng.random((200, 16)) < 0.02)
    data = Dataset("patterns", x, kinds // 2, ("low", "high"), None)
    run = synthetic_run(models=3, units=4)
    states = np.array([[0, 1, 2, 3], [0, 1, 2, 2], [3, 2, 1, 0]])
    run.arrays["w"] = np.swapaxes(4.0 * PATTERNS[states] - 2, 1, 2).astype(np.float32)
    # The last state of the third is never visited, and far from every point.
    run.arrays["w"][2, :, 3] = 12 * np.where(np.arange(16) % 2, -1, 1)
    run.arrays["occupancy"] = np.full((3, 4), 0.25, np.float32)
    run.arrays["occupancy"][2, 3] = 0
    assert run.latent == OneHot(4)
    unlabelled = Dataset("patterns", x, None, (), None)
    return clusters.optima_of(run, data), clusters.optima_of(run, unlabelled), x


def test_names_of_optima(found):
    labelled, unlabelled, x = found
    assert labelled["pattern"].tolist() == ["(2,2)", "(2,2)", "(1,2)"]
    assert list(unlabelled) == ["optimum"]
    np.testing.assert_allclose(unlabelled["optimum"], labelled["optimum"], rtol=1e-5)
    # One component a pattern, its pixels those of its fifty points: by hand.
    kinds = np.arange(200) % 4
    mean = np.stack([x[kinds == k].mean(0) for k in range(4)])[kinds].clip(1e-6)
    expected = np.log(0.25) + np.log(np.where(x, mean, 1 - mean)).sum(1).mean()
    assert labelled["optimum"][0] == pytest.approx(expected, abs=1e-3)
    # Control: where no state is left for one of the patterns.
    np.testing.assert_array_equal(clusters.is_stuck(labelled), [False, True, True])


def test_tables(found):
    labelled, _, _ = found
    columns = ("log_likelihood", "evenness", "sigma", "tau")
    members = labelled | {name: np.array([1.0, 2.0, np.inf]) for name in columns}
    assert clusters.best_pattern(members) == "(2,2)"
    first, second = clusters.patterns_table(members).splitlines()[2:]
    assert first.startswith("| (2,2) | 2 |")
    assert second.startswith("| (1,2) | 1 |")
    *_, row = clusters.homogeneity_table({"all": [members, members]}).splitlines()
    assert [cell.strip() for cell in row.split("|")[1:5]] == [
        *("all", "6", "66.7%", "2 to 2")
    ]
    *_, frequent, _ = clusters.frequencies_table({"all": members}).splitlines()
    assert frequent == "| (2,2) | 2 |"
