"""The tables of a verdict."""

import numpy as np
import pytest

from experiments.runs.directory import Run
from experiments.verdict import page


def test_equilibrium_table_counts_distances_in_errors():
    rng = np.random.default_rng(0)
    bias, error = np.full(4000, 0.5), np.full(4000, 2.0)
    history = {
        "entropy_production_rate": bias + 2 * rng.standard_t(5, 4000),
        "entropy_production_rate_bias": bias,
        "entropy_production_rate_error": error,
    }
    text = page.equilibrium_table({"rbm": [Run({}, history, {}, {})]}, {"rbm": 6})
    *_, within, expected, _ = text.splitlines()[-1].split("|")
    assert expected.strip() == "97.0%"
    assert float(within.strip(" %")) == pytest.approx(97.0, abs=1.0)
    history["entropy_production_rate"] += 4
    text = page.equilibrium_table({"rbm": [Run({}, history, {}, {})]}, {"rbm": 6})
    assert float(text.splitlines()[-1].split("|")[5].strip(" %")) < 90
