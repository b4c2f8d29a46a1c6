"""The columns of `models.csv`, from measures of random models."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data.dataset import Dataset
from experiments.training import measure
from experiments.training.columns import model_table

from ... import reference


def test_errors_and_bias_are_those_of_the_jackknife(monkeypatch, data):
    monkeypatch.setattr(measure, "FINAL_SAMPLES", 256)
    monkeypatch.setattr(measure, "WHOLE_CHAIN_SAMPLES", 32)
    monkeypatch.setattr(measure, "COUNTED_STEPS", 200)
    one = reference.to_model(reference.random_system("softmax"))
    models = jax.tree.map(lambda array: jnp.stack([array, 0.5 * array]), one)

    @jax.jit
    @jax.vmap
    def measured(model, key):
        return measure.measure(model, key, jnp.zeros(5, bool), jnp.asarray(data))

    found = measured(models, jax.random.split(jax.random.key(0)))
    columns, _ = model_table(found, models, Dataset("", data, None, (), None))
    for name in (
        "log_likelihood",
        "entropy_production_rate",
        "relaxation_time",
        "mean_self_transition",
        "min_occupancy",
    ):
        value = np.asarray(getattr(found.summary, name), float)
        left_out = np.asarray(getattr(found.replicates, name), float)
        batches = left_out.shape[1]
        error = np.sqrt((batches - 1) * left_out.var(axis=1))
        assert (error > 0).all()
        np.testing.assert_allclose(columns[name], value)
        np.testing.assert_allclose(columns[f"{name}_error"], error, rtol=1e-2)
        if name == "entropy_production_rate":
            bias = (batches - 1) * (left_out.mean(axis=1) - value)
            scale = np.abs(value).max()
            np.testing.assert_allclose(
                columns[f"{name}_bias"], bias, rtol=1e-2, atol=1e-4 * scale
            )
    resolution = found.whole_chain
    name = "whole_chain_entropy_production"
    np.testing.assert_array_equal(columns[name], resolution.value)
    np.testing.assert_array_equal(columns[f"{name}_error"], resolution.error)
