"""Finished runs as other commands open them, and models from their arrays."""

from dataclasses import replace

import chex
import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.runs.directory import create_run_directory, write_run
from experiments.runs.finished import RBM_RULE, model_of, models_of, open_run
from nelc_jax import Binary, OneHot

from ..synthetic import synthetic_run


@pytest.fixture
def verdict(tmp_path):
    """The synthetic run as an ensemble of `verdict`, which names it otherwise."""
    out = tmp_path / "verdict"
    create_run_directory(out, {"command": "verdict"})
    run = synthetic_run()
    for name, more in (
        ("sigmoid-paper-3", {}),
        ("rbm-onehot-3", {"rule": f"{RBM_RULE}...)"}),
    ):
        config = {**run.config, "ensemble": name, **more}
        create_run_directory(out / name, config)
        write_run(out / name, replace(run, config=config))
    return out


def test_an_ensemble_of_the_verdict_is_a_run(verdict):
    run = open_run(verdict / "sigmoid-paper-3")
    chex.assert_trees_all_equal(run.arrays, synthetic_run().arrays)
    assert run.config["ensemble"] == "sigmoid-paper-3"


def test_where_there_is_no_ensemble_the_message_names_one(verdict, tmp_path):
    def refused(path):
        with pytest.raises(UserError) as caught:
            open_run(path)
        return str(caught.value)

    assert refused(verdict) == (
        f"{verdict} is of verdict, with an ensemble in each directory below: give one "
        f"of these, such as {verdict / 'sigmoid-paper-3'}"
    )
    rbms = verdict / "rbm-onehot-3"
    assert refused(rbms).startswith(f"{rbms} holds restricted Boltzmann mach")
    begun = tmp_path / "begun"
    create_run_directory(begun, {"command": "horizon"})
    assert refused(begun).endswith("give one of these, once it is finished")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", "{}", "config.json names no results"),
        ("config.json", "{", "config.json is damaged"),
        ("config.json", "[1]", "config.json is damaged"),
        ("config.json", "[" * 100_000, "config.json is damaged"),
        ("checkpoint.safetensors", "torn", "checkpoint.safetensors is another than"),
        ("models.csv", "model\n", "models.csv is another than config.json names"),
        ("history.csv", "epoch,model\n", "history.csv is another than"),
    ],
)
def test_a_spoilt_run_is_named(finished, name, content, words):
    (finished / name).write_text(content)
    with pytest.raises(UserError, match=words):
        open_run(finished)


def test_a_run_of_before_is_refused(tmp_path):
    """Its checkpoint did not say what model it holds."""
    run = replace(synthetic_run(), latent=None)
    create_run_directory(tmp_path / "old", run.config)
    write_run(tmp_path / "old", run)
    with pytest.raises(UserError, match="written by an earlier version"):
        open_run(tmp_path / "old")


@pytest.mark.parametrize("latent", [OneHot(3, "softmax"), Binary(2, 5)], ids=repr)
def test_models_are_made_of_the_arrays(latent):
    kind = "binary" if isinstance(latent, Binary) else "onehot"
    run = replace(synthetic_run(latent=kind, units=latent.num_units), latent=latent)
    every, one = models_of(run), model_of(run, 3)
    assert one.latent == every.latent == latent
    for name in ("w", "a", "w_bar", "a_bar"):
        np.testing.assert_array_equal(getattr(every.parameters, name), run.arrays[name])
        np.testing.assert_array_equal(
            getattr(one.parameters, name), run.arrays[name][3]
        )
    np.testing.assert_array_equal(one.x_mean, run.arrays["x_mean"][3])
