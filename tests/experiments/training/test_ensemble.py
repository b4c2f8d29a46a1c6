import logging
from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.training import measure
from experiments.training.ensemble import Ensemble, known_occupancy
from experiments.training.equilibrium import rbm_rule
from experiments.training.loop import train_ensemble
from experiments.training.settings import Settings

SETTINGS = Settings(units=2, chain_length=4)


def members(seed=0, density=0.4, units=2, count=2, size=2, states=None):
    x = np.random.default_rng(seed).random((200, 9)) < density
    rule = replace(SETTINGS, units=units).rule()
    return Ensemble(seed, np.arange(count), size, rule, x, states)


@pytest.fixture
def compiled(caplog):
    """The names of the programs that XLA has compiled so far."""
    with jax.log_compiles():
        caplog.set_level(logging.WARNING, logger="jax")
        yield lambda: [
            record.args[0] if record.args else record.getMessage()
            for record in caplog.records
            if record.getMessage().startswith("Finished XLA compilation")
        ]


def test_programs_are_compiled_once(monkeypatch, compiled):
    """One program for all batch sizes; no seed or data compiles another."""
    monkeypatch.setattr(measure, "HISTORY_DRAWS", 1)
    monkeypatch.setattr(measure, "COUNTED_STEPS", 10)
    monkeypatch.setattr(measure, "FINAL_SAMPLES", 32)
    sizes = np.arange(16, 20, dtype=np.int32)
    train_ensemble(members(), sizes, 2, lambda *_: None)
    programs = compiled()
    assert sum("_epoch" in name for name in programs) == 1

    for other in ({"seed": 5}, {"density": 0.2}):
        ensemble = members(**other)
        ensemble.epoch(1, np.full(2, 16, np.int32))
        ensemble.measure()
    assert compiled() == programs


def test_a_resumed_ensemble_compiles_no_epoch_again(monkeypatch, compiled):
    monkeypatch.setattr(measure, "HISTORY_DRAWS", 1)
    sizes = np.full(2, 16, np.int32)
    begun = members(units=3, size=3)
    begun.epoch(1, sizes)
    going_on = members(units=3, size=3, states=begun.states())
    going_on.epoch(2, sizes)
    going_on.epoch(3, sizes)
    assert sum("_epoch" in name for name in compiled()) <= 1


def test_which_rules_have_a_formula_for_p_bar():
    x = np.zeros((20, 9), bool)
    assert known_occupancy(rbm_rule(replace(SETTINGS, latent="binary")), x)
    assert not known_occupancy(SETTINGS.rule(), x)


def test_every_epoch_is_measured_with_draws_of_its_own(monkeypatch):
    """Two epochs of models that do not change, and the same two again."""
    monkeypatch.setattr(measure, "HISTORY_DRAWS", 1)
    sizes = np.full(2, 16, np.int32)
    # Of a group of three one place is filled up, and its model is seen nowhere.
    begun = members(units=3, size=3)
    begun.epoch(1, sizes)
    states = begun.states()
    (rate,) = (name for name in states if "hyperparams['learning_rate']" in name)
    states[rate] = 0 * states[rate]

    def kernels():
        going_on = members(units=3, size=3, states=states)
        found = [going_on.epoch(n, sizes)[1].latent_kernel for n in (2, 3)]
        w = going_on.models()[0].parameters.w
        np.testing.assert_array_equal(w, states["state.model.parameters.w"])
        assert going_on.states()["state.step"].tolist() == [6, 6]
        return found

    (second, third), again = kernels(), kernels()
    assert len(second) == 2
    np.testing.assert_array_equal((second, third), again)
    assert (second != third).any()
