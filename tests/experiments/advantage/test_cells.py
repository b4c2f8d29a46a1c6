"""The cells of the study: what is trained, with how many parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.advantage.cells import Plan
from experiments.advantage.command import LENGTHS, QUICK, TIMED, UNITS
from experiments.advantage.methods import falling, methods
from experiments.advantage.parts import Lesson
from nelc_jax import Binary

PLAN = Plan(Lesson(0, 6, 1800, 16, 160), 48, UNITS, TIMED, LENGTHS)


def test_cells_are_all_different():
    cells = [(c.name, c.units, c.lesson.steps) for c in PLAN.cells()]
    assert len(set(cells)) == len(cells)
    assert {units for _, units, _ in cells} == {4, 6, 8, 12, 16}
    assert {steps for _, units, steps in cells if units == 6} == {600, 1800, 5400}
    # A size that is too costly for a method is left away.
    assert ("cycles-exact", 4, 1800) in cells
    assert ("cycles-exact", 6, 1800) not in cells


@pytest.mark.parametrize("name", methods(8))
def test_parameters_are_those_of_the_model(name):
    method = methods(8)[name]
    rule = method.rule(Binary(3), falling(10))
    x = jax.ShapeDtypeStruct((20, 7), bool)
    state = jax.eval_shape(rule.init, jax.random.key(0), x)
    learned = sum(leaf.size for leaf in jax.tree.leaves(state.model.parameters))
    tied = 7 * 3 if name == "tied" else 0
    assert method.parameters(7, 3) == learned - tied - (1 if name == "belief" else 0)


def test_every_method_is_tried_at_four_rates_and_at_two_in_a_quick_study():
    for method in methods(48).values():
        assert len(method.rates) >= 4
        assert any(rate in QUICK.rates for rate in method.rates)


def test_the_rate_falls_to_its_share():
    """A half after a sixth of the steps, and a 37th at the end."""
    optimizer, one = falling(12), jnp.ones(())
    kept, moves = optimizer.init(one), []
    for _ in range(13):
        move, kept = optimizer.update(one, kept)
        moves.append(-float(move))
    # RMSprop of a constant gradient: 1 / sqrt(1 - 0.9^k), at its rate of 0.1.
    full = 0.1 / np.sqrt(1 - 0.9 ** np.arange(1, 14))
    shares = np.array(moves) / full
    np.testing.assert_allclose(shares[[0, 2, 12]], [1, 1 / 2, 1 / 37], rtol=1e-3)
