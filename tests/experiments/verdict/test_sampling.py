"""How fast classes of drawn digits average, of two states whose law is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data.dataset import Dataset
from experiments.runs.directory import Run
from experiments.runs.finished import model_of
from experiments.verdict.sampling import (
    Classifier,
    match,
    measure_sampling,
    sampling_table,
)
from nelc_jax import OneHot, exact

LEFT = np.array([[1.0, -1.0], [-1.0, 1.0]])


def test_match():
    assert match(np.array([1.0, 5.0]), np.array([4.0, 0.0, 9.0])).tolist() == [1, 0]


def a_run(loyalty, sharpness=30.0):
    """Two latent states that draw the first or the second pixel with fields of
    `sharpness`, and with a field of `loyalty` are drawn again from it."""
    arrays = {
        "w": sharpness * LEFT,
        "a": np.zeros(2),
        "w_bar": loyalty / 2 * LEFT,
        "a_bar": np.zeros(2),
        "x_mean": np.full(2, 0.5),
        "occupancy": np.full(2, 0.5),
    }
    arrays = {name: np.asarray(a[None], np.float32) for name, a in arrays.items()}
    models = {"log_likelihood": np.array([-1.0])}
    run = Run({"seed": 0}, {}, models, arrays, OneHot(2, "softmax"))
    arrays["latent_kernel"] = np.asarray(exact.latent_kernel(model_of(run, 0)))[None]
    return run


@pytest.fixture(scope="module")
def data():
    x = np.array([[1, 0], [0, 1]], bool)
    return Dataset("pixels", x, np.array([0, 1]), ("left", "right"), None)


@pytest.fixture(scope="module")
def measured(data):
    """A chain that changes its class now and then, and one of noisy digits."""
    classifier = Classifier(jnp.asarray(LEFT), jnp.zeros(2))
    runs = {"sharp": a_run(1.0), "noisy": a_run(4.0, 1.0)}
    return runs, {k: measure_sampling(v, classifier, data) for k, v in runs.items()}


def test_a_chain_of_two_states(measured):
    # t = (1 + lambda) / (1 - lambda), lambda = tanh(1 / 2), and no currents.
    expected = (1 + np.tanh(0.5)) / (1 - np.tanh(0.5))
    for name in ("time", "time_reversible"):
        np.testing.assert_allclose(measured[1]["sharp"][name], expected, rtol=1e-3)


def test_noisy_digits(measured):
    """From 512 digits a state, a few per cent off the sum over all four x."""
    runs, found = measured
    model = model_of(runs["noisy"], 0)
    A, A_bar = exact.forward_matrix(model), exact.backward_matrix(model)
    # Of equal scores the first class is taken: all but the x with the second pixel.
    f = 1.0 - np.asarray(exact.visible_states(2))[:, 1]
    f[3] = 1
    p = 0.5 * np.asarray(A).sum(0)
    centred, correlations = f - p @ f, []
    later = centred
    for _ in range(200):
        correlations.append(np.sum(p * centred * later))
        later = A_bar @ (A @ later)
    expected = 2 * sum(correlations) / correlations[0] - 1
    np.testing.assert_allclose(found["noisy"]["time"], expected, rtol=0.1)
    variance = A @ f * (1 - A @ f)
    in_turn = variance.mean() / correlations[0]
    np.testing.assert_allclose(found["noisy"]["time_in_turn"], in_turn, rtol=0.1)
    # Control: what the next latent state knows of a digit's noise is a part of it.
    assert found["noisy"]["time_reversible"] < 0.8 * expected


def test_the_table(measured):
    runs, found = measured
    likelihoods = {name: run.models["log_likelihood"] for name, run in runs.items()}
    text = sampling_table(likelihoods, found)
    cells = [cell.strip() for cell in text.splitlines()[-2].split("|")]
    assert float(cells[5]) == pytest.approx(found["sharp"]["time"][0], rel=0.01)
    # Hardly any digit of such states is of another class.
    assert float(cells[7]) < 1e-3


def test_a_class_that_no_state_draws_needs_no_time(measured, data):
    """Its share is 0 from the first step: the others say how slow the chain is."""
    runs, found = measured
    classifier = Classifier(jnp.asarray([[1.0, -1, 0], [-1, 1, 0]]), jnp.zeros(3))
    data = Dataset("pixels", data.x, data.labels, ("left", "right", "none"), None)
    other = measure_sampling(runs["sharp"], classifier, data)
    np.testing.assert_allclose(other["time"], found["sharp"]["time"], rtol=1e-5)
