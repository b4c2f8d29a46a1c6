"""`nelc_jax.notebook`: a run's tables and chains, as a notebook wants them."""

import subprocess
import sys

import arviz
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments.runs.directory import load_run as load_columns
from nelc_jax import diagnostics, notebook

PROGRAM = """
import sys
sys.modules["xarray"] = None
import nelc_jax
try:
    import nelc_jax.notebook
except ModuleNotFoundError as error:
    print(error)
"""


def test_tables_of_a_finished_run(finished):
    run, columns = notebook.load_run(finished), load_columns(finished)
    assert run.settings == columns.config
    np.testing.assert_array_equal(run.ensemble.parameters.w, columns.arrays["w"])
    for name, values in columns.models.items():
        if name != "model":
            np.testing.assert_array_equal(run.models[name], values)
    model, epoch = columns.history["model"], columns.history["epoch"]
    one = run.history.loc[(model[3], epoch[3]), "log_likelihood"]
    assert one == columns.history["log_likelihood"][3]
    assert run.history.index.is_monotonic_increasing
    assert pd.api.types.is_float_dtype(run.models["log_likelihood"])


def test_only_finished_runs(finished, tmp_path):
    (finished / "history.csv").write_text("epoch,model\n")
    with pytest.raises(ValueError, match=r"history.csv is another than"):
        notebook.load_run(finished)
    with pytest.raises(FileNotFoundError, match=r"config.json is missing"):
        notebook.load_run(tmp_path)


def test_effective_sizes_are_those_of_arviz():
    """Two-state chains that stay with probability s: n (1 - s) / s of n draws."""
    stay, draws = 0.9, 20_000
    moves = np.random.default_rng(0).random((4, draws)) >= stay
    x = jnp.asarray(np.cumsum(moves, axis=1) % 2 == 1)[:, :, None]
    chains = notebook.to_arviz(x, {"twice": 2.0 * x[..., 0]})
    found = arviz.ess(chains, method="mean")
    ours = sum(float(diagnostics.effective_sample_size(c[:, 0] * 1.0)) for c in x)
    exact = 4 * draws * (1 - stay) / stay
    # The relative error of a time is sqrt(2 (2 W + 1) / n) for a window W (Sokal 1997),
    # six of his times, t / 2 = 4.5 each, and n = 80,000: 3.7 %; 0.1 is 2.7 of these.
    for name in ("ones", "twice", "x"):
        assert float(found[name].squeeze()) == pytest.approx(exact, rel=0.1)
    assert ours == pytest.approx(exact, rel=0.1)
    # What would be seen: the same draws in another order.
    order = np.random.default_rng(1).permutation(draws)
    shuffled = notebook.to_arviz(x[:, order])
    assert float(arviz.ess(shuffled, method="mean")["ones"]) > 5 * exact
    assert float(arviz.rhat(chains)["ones"]) == pytest.approx(1, abs=0.01)


def test_observables_are_of_the_same_chains():
    x = jnp.zeros((2, 5, 3), bool)
    found = notebook.to_arviz(x, {"field": jnp.ones((2, 5, 4))})
    assert found["field"].dims == ("chain", "draw", "field_0")
    assert found["x"].dims == ("chain", "draw", "pixel")
    with pytest.raises(
        ValueError, match=r"observables\['h'\].shape=\(5, 2\): expected"
    ):
        notebook.to_arviz(x, {"h": jnp.ones((5, 2))})
    with pytest.raises(ValueError, match=r"'ones': expected a name beside"):
        notebook.to_arviz(x, {"ones": jnp.ones((2, 5))})
    with pytest.raises(ValueError, match=r"x.shape=\(5, 3\): expected"):
        notebook.to_arviz(x[0])


def test_without_xarray_the_library_works_and_notebook_names_its_extra():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "nelc_jax.notebook needs pandas and xarray: pip install 'nelc_jax[notebook]'\n"
    )
