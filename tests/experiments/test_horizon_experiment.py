import itertools
import math

import numpy as np
import pytest

from experiments.horizon import page
from experiments.horizon.cycle_types import (
    cycle_lengths,
    cycle_types,
    random_permutations,
)
from experiments.horizon.parts import controls, horizons, literal
from experiments.verdict.parts import Part, trainer_of

from .synthetic import synthetic_run


def test_chance_of_cycle_types_by_enumeration():
    """All 4^4 maps of four states."""
    maps = [np.array(m) for m in itertools.product(range(4), repeat=4)]
    found = cycle_types(np.stack([np.eye(4)[m] for m in maps]))
    expected = random_permutations(4)
    assert found.permutations == pytest.approx(expected.permutations)
    assert found.single == pytest.approx(expected.single)
    assert found.fixed == pytest.approx(expected.fixed)


def test_cycle_lengths():
    assert cycle_lengths(np.array([1, 2, 0, 4, 3, 5])) == [3, 2, 1]
    assert cycle_lengths(np.array([1, 1, 0])) is None
    types = cycle_types(np.eye(3)[None][:, [1, 1, 0]])
    assert types.permutations == 0
    assert math.isnan(types.single)


def test_steps_to_the_mark():
    run = synthetic_run(models=2, epochs=3)
    run.config["part"] = {"steps_per_epoch": 30}
    likelihood = np.array([[-9, -7, -7.5], [-9, -8.5, -8.1]])
    # Rows of the history: epoch by epoch.
    run.history["log_likelihood"] = likelihood.T.ravel()
    np.testing.assert_array_equal(page.steps_to(run, -8), [60, np.inf])
    np.testing.assert_array_equal(page.steps_to(run, -10), [30, 30])


def test_tables_have_a_row_an_ensemble():
    run = synthetic_run(models=6)
    run.config["part"] = {"steps_per_epoch": 30}
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


def test_parts_differ_in_name_and_in_training():
    base = Part("base", 0, models=2)
    parts = [*horizons(base), *literal(base), *controls(base, 100)]
    assert len({part.name for part in parts}) == len(parts) == 19
    trainers = [(trainer_of(part), part.batch_last) for part in parts]
    assert len(set(trainers)) == len(parts)
