import logging

import jax
import numpy as np
import pytest

from experiments.training import measure
from experiments.training.ensemble import Ensemble, Schedule, train_ensemble
from experiments.training.trainers import Cycles
from nelc_jax.latent import OneHot
from nelc_jax.training import Config


def members(seed=0, learning_rate=0.1, density=0.4):
    x = np.random.default_rng(seed).random((200, 9)) < density
    return Ensemble(
        seed,
        np.arange(2),
        2,
        Cycles(OneHot(2), Config(chain_length=4)),
        x,
        learning_rate,
    )


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
    """One program for all batch sizes; no rate, seed or data compiles another."""
    monkeypatch.setattr(measure, "HISTORY_DRAWS", 1)
    monkeypatch.setattr(measure, "COUNTED_STEPS", 10)
    monkeypatch.setattr(measure, "FINAL_SAMPLES", 32)
    schedule = Schedule(epochs=120, steps_per_epoch=2, batch_first=16, batch_last=160)
    train_ensemble(members(), schedule, lambda *_: None)
    programs = compiled()
    assert sum("_epoch" in name for name in programs) == 1

    for other in ({"seed": 5}, {"learning_rate": 0.01}, {"density": 0.2}):
        ensemble = members(**other)
        ensemble.epoch(1, np.full(2, 16, np.int32))
        ensemble.measure()
    assert compiled() == programs
