"""The tables and figures of the experiment on horizons."""

import numpy as np
import pytest

from experiments.horizon import page

from ..synthetic import synthetic_run


def test_steps_to_the_mark():
    run = synthetic_run(models=2, epochs=3)
    run.config["steps_per_epoch"] = 30
    likelihood = np.array([[-9, -7, -7.5], [-9, -8.5, -8.1]])
    # Rows of the history: epoch by epoch.
    run.history["log_likelihood"] = likelihood.T.ravel()
    np.testing.assert_array_equal(page.steps_to(run, -8), [60, np.inf])
    np.testing.assert_array_equal(page.steps_to(run, -10), [30, 30])


def test_tables_have_a_row_an_ensemble():
    run = synthetic_run(models=6)
    run.config["steps_per_epoch"] = 30
    ceiling = float(run.models["log_likelihood"].max())
    table = page.horizon_table({"K=1": run, "K=all": run}, ceiling)
    rows = [line.split("|") for line in table.splitlines()]
    assert [row[1].strip() for row in rows[2:]] == ["K=1", "K=all"]
    assert len({len(row) for row in rows}) == 1
    assert float(rows[2][2]) == pytest.approx(ceiling, abs=0.006)
    names = [
        line.split("|")[1].strip()
        for line in page.cycles_table({"a": run}).splitlines()
    ]
    assert names[2:] == ["a", "random maps"]
    for figure in (page.likelihood_figure, page.sigma_figure):
        drawn = figure({"sigmoid": {"K=1": run}, "softmax": {"K=1": run}}, ceiling)
        assert len(drawn.axes) == 2
