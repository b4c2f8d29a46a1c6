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
    """The same states, trained alike, in epochs of two numbers."""
    monkeypatch.setattr(measure, "HISTORY_DRAWS", 1)
    sizes = np.full(2, 16, np.int32)
    # Of a group of three one place is filled up, and its model is seen nowhere.
    begun = members(units=3, size=3)
    begun.epoch(1, sizes)
    states = begun.states()

    def after(number):
        going_on = members(units=3, size=3, states=states)
        _, summary, _ = going_on.epoch(number, sizes)
        return going_on.models()[0].parameters.w, summary.latent_kernel

    (w, M), (same_w, other_M), (_, same_M) = map(after, (2, 3, 2))
    assert (len(w), len(M), len(states["state.step"])) == (2, 2, 2)
    np.testing.assert_array_equal(w, same_w)
    np.testing.assert_array_equal(M, same_M)
    assert (other_M != M).any()
