"""What a model of a finished run generates."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.image import imread
from PIL import Image

from experiments import sample
from experiments.data.datasets import load_dataset
from experiments.runs.finished import model_of, open_run

from .synthetic import synthetic_run


def test_sample_of_the_best_model(finished):
    out = sample.main([str(finished), "--samples", "30", "--steps", "4"])
    assert out == finished / "samples"
    run = open_run(finished)
    assert open_run(finished).config == run.config
    best = int(np.argmax(run.models["log_likelihood"]))
    config = (out / "config.json").read_text()
    assert f'"model": {best}' in config
    # The samples are a dataset: zeros and ones, as many as asked for.
    assert load_dataset(str(out / "samples.npz"), None).x.shape == (30, 16)
    with (out / "trajectories.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sample.CHAINS * 4
    assert {int(row["z"]) for row in rows} <= {0, 1, 2}
    with Image.open(out / "chains.gif") as animation:
        assert animation.n_frames == 4
    for name in ("images", "trajectories"):
        assert imread(out / f"{name}.png").size
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    # The same call again replaces the results by the same ones.
    before = (out / "trajectories.csv").read_bytes()
    sample.main([str(finished), "--samples", "30", "--steps", "4"])
    assert (out / "trajectories.csv").read_bytes() == before


def test_samples_have_the_stationary_law():
    run = synthetic_run(num_visible=4, image_shape=None)
    model, p_bar = model_of(run, 1), jnp.asarray(run.arrays["occupancy"][1])
    drawn = sample.draw(model, p_bar, jax.random.key(0), 4000, 1)
    share = np.bincount(drawn.z, minlength=3) / 4000
    np.testing.assert_allclose(share, p_bar, atol=4 * 0.5 / np.sqrt(4000))
    w = run.arrays["w"][1]
    for state in range(3):
        mean = np.asarray(drawn.x)[np.asarray(drawn.z) == state].mean(axis=0)
        error = 0.5 / np.sqrt(4000 * share[state])
        np.testing.assert_allclose(mean, 1 / (1 + np.exp(-w[:, state])), atol=4 * error)


def test_the_state_of_a_chain_is_the_one_that_x_was_drawn_from():
    """As of a sample: pixels have the means that the state sets, and of no other step.

    Given their states the pixels are independent, so that errors are binomial.
    """
    run = synthetic_run(num_visible=4, image_shape=None)
    model, p_bar = model_of(run, 1), jnp.asarray(run.arrays["occupancy"][1])
    drawn = sample.draw(model, p_bar, jax.random.key(1), 1, 400)
    x, z = np.asarray(drawn.chain_x), np.asarray(drawn.chain_z)
    mean = 1 / (1 + np.exp(-run.arrays["w"][1].T))

    def distance(x, z):
        """Of the pixel furthest from its mean, in standard errors."""
        found = np.stack([x[z == state].mean(axis=0) for state in range(3)])
        count = np.stack([(z == state).sum() for state in range(3)])[:, None]
        return np.abs((found - mean) / np.sqrt(mean * (1 - mean) / count)).max()

    assert distance(x, z) < 4.5
    assert distance(x[:, 1:], z[:, :-1]) > 9
    assert distance(x[:, :-1], z[:, 1:]) > 9
