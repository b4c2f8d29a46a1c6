"""What no memory could hold is refused, by the option that asks for it."""

import numpy as np
import pytest

from experiments.command import memory
from experiments.command.errors import UserError
from experiments.data.dataset import Dataset
from experiments.training.settings import Settings
from experiments.training.sizes import check_sizes

MODELS, UNITS, VISIBLE = 5, 30, 200
LEAST = MODELS * 4 * 4 * UNITS * VISIBLE
"""Weights one way and the other, and the mean square of each, of four bytes."""


@pytest.mark.parametrize(
    ("there", "option"),
    [(LEAST // MODELS - 1, "units 30"), (LEAST - 1, "models 5"), (LEAST, None)],
)
def test_what_training_carries_from_step_to_step(monkeypatch, there, option):
    monkeypatch.setattr(memory, "installed_memory", lambda: there)
    settings = Settings(models=MODELS, units=UNITS)
    data = Dataset("data", np.zeros((1, VISIBLE), bool), None, (), None)
    if option is None:
        check_sizes(settings, data)
        return
    with pytest.raises(UserError, match=f"^--{option} needs"):
        check_sizes(settings, data)
