import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data.dataset import Dataset
from experiments.runs.directory import Run
from experiments.verdict import page
from experiments.verdict.sampling import Classifier, match, measure_sampling
from nelc_jax import OneHot


def test_match():
    assert match(np.array([1.0, 5.0]), np.array([4.0, 0.0, 9.0])).tolist() == [1, 0]


def a_run(loyalty):
    """Two latent states that draw the first or the second pixel, and with a field of
    `loyalty` are drawn again from it."""
    w = 30 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    stay = 1 / (1 + np.exp(-loyalty))
    kernel = np.array([[stay, 1 - stay], [1 - stay, stay]])
    arrays = {
        "w": w,
        "a": np.zeros(2),
        "w_bar": loyalty / 2 * np.array([[1.0, -1.0], [-1.0, 1.0]]),
        "a_bar": np.zeros(2),
        "x_mean": np.full(2, 0.5),
        "latent_kernel": kernel,
        "occupancy": np.full(2, 0.5),
    }
    arrays = {name: np.asarray(a[None], np.float32) for name, a in arrays.items()}
    arrays["x"] = np.array([[True, False]])
    models = {"log_likelihood": np.array([-1.0])}
    return Run({"seed": 0}, {}, models, arrays, OneHot(2, "softmax"))


@pytest.fixture(scope="module")
def measured():
    """A chain that changes its class now and then, and one that never does."""
    weights = jnp.asarray([[1.0, -1.0], [-1.0, 1.0]])
    classifier = Classifier(weights, jnp.zeros(2))
    x = np.array([[1, 0], [0, 1]], bool)
    data = Dataset("pixels", x, np.array([0, 1]), ("left", "right"), None)
    runs = {str(loyalty): a_run(loyalty) for loyalty in (1.0, 40.0)}
    found = {k: measure_sampling(run, classifier, data) for k, run in runs.items()}
    return runs, found


def test_a_chain_that_never_leaves_its_class_has_no_time(measured):
    _, found = measured
    moves, stays = found["1.0"], found["40.0"]
    # t = (1 + lambda) / (1 - lambda), lambda = tanh(1 / 2); a few per cent of 8192.
    expected = (1 + np.tanh(0.5)) / (1 - np.tanh(0.5))
    np.testing.assert_allclose(moves["time"], expected, rtol=1e-3)
    np.testing.assert_allclose(moves["time_visible"], expected, rtol=0.2)
    assert np.isnan(stays["time_visible"]).all()


def test_the_table_leaves_it_out(measured):
    runs, found = measured
    text = page.sampling_table({k: [run] for k, run in runs.items()}, found)
    moves, stays = (line.split("|") for line in text.splitlines()[-2:])
    assert moves[8].strip() == "0%"
    assert float(moves[7]) > 2
    assert stays[7].strip() == "nan"
    assert stays[8].strip() == "100%"


def test_a_class_that_no_state_draws_needs_no_time(measured):
    """Its share is 0 from the first step: the others say how slow the chain is."""
    runs, found = measured
    classifier = Classifier(jnp.asarray([[1.0, -1, 0], [-1, 1, 0]]), jnp.zeros(3))
    x = np.array([[1, 0], [0, 1]], bool)
    data = Dataset("pixels", x, np.array([0, 1]), ("left", "right", "none"), None)
    other = measure_sampling(runs["1.0"], classifier, data)
    np.testing.assert_allclose(other["time"], found["1.0"]["time"], rtol=1e-5)
    assert np.isnan(other["time_visible"]).all()
