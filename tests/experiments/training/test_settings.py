"""What settings mean, and which have no meaning."""

from dataclasses import replace

import jax
import pytest

from experiments.command.errors import UserError
from experiments.training.equilibrium import rbm_rule
from experiments.training.settings import Settings

BAD = {
    "models": (0, -3),
    "units": (0, -1),
    "epochs": (-1,),
    "steps_per_epoch": (0,),
    "chain_length": (0,),
    "batch_first": (0, 161),
    "batch_last": (-1,),
    "learning_rate": (0.0, -0.1, float("nan"), float("inf")),
    "decay": (-0.1, 1.0, float("nan")),
    "eps": (0.0, float("nan")),
    "members_at_once": (0,),
    "save_every": (0,),
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in BAD.items() for v in values]
)
def test_settings_without_meaning(name, value):
    flag = "--" + name.replace("_", "-")
    with pytest.raises(UserError, match=rf"^{flag} {value}\b"):
        replace(Settings(), **{name: value}).check()


def test_rules_that_cannot_be():
    for change, words in (
        (
            {"latent": "binary", "units": 11, "estimator": "averaged"},
            "--units 11: --estimator averaged enumerates the latent states, of 1024",
        ),
        ({"horizon": 0}, "--horizon 0: the sum over all double steps needs --est"),
        (
            {"horizon": -1, "estimator": "averaged"},
            "--horizon -1: horizon=-1: expected at least",
        ),
    ):
        with pytest.raises(UserError, match=words):
            replace(Settings(), **change).rule()


def test_latent_spaces_of_any_size():
    for latent, units, enumerable in (
        ("onehot", 1024, True),
        ("binary", 10, True),
        ("binary", 11, False),
        ("binary", 20, False),
    ):
        rule = replace(Settings(), latent=latent, units=units).rule()
        assert rule.latent.enumerable == enumerable
    eleven = replace(Settings(), latent="binary", units=11)
    with pytest.raises(UserError, match=r"--units 11: the RBM with a binary layer"):
        rbm_rule(eleven)
    assert rbm_rule(replace(eleven, units=10)).latent.enumerable


def test_mini_batches_grow_and_then_stay():
    settings = Settings(epochs=3, batch_first=4, batch_last=12)
    assert settings.batch_sizes(3).tolist() == [4, 8, 12]
    longer = replace(settings, epochs=6)
    assert longer.batch_sizes(3).tolist() == [4, 8, 12, 12, 12, 12]


def test_the_models_of_one_of_several_processes(monkeypatch):
    settings = Settings(models=5)
    assert settings.own_numbers().tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    found = []
    for index in range(2):
        monkeypatch.setattr(jax, "process_index", lambda index=index: index)
        found += settings.own_numbers().tolist()
    assert found == [0, 1, 2, 3, 4]
    monkeypatch.setattr(jax, "process_count", lambda: 6)
    with pytest.raises(UserError, match="--models 5: 6 processes need one each"):
        settings.own_numbers()
