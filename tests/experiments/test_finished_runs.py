"""`show` and `sample`: what a finished run directory still gives."""

import csv
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image

from experiments import figures, sample, show
from experiments.command.errors import UserError, reports_user_errors
from experiments.data.datasets import load_dataset
from experiments.figures.samples import grid_figure, trajectory_figure, write_animation
from experiments.runs.directory import create_run_directory, write_run
from experiments.runs.finished import model_of, open_run
from nelc_jax.latent import Binary, OneHot

from .synthetic import synthetic_run


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "run"
    run = synthetic_run()
    create_run_directory(path, run.config)
    write_run(path, run)
    return path


def test_show_makes_figures_and_report_again(directory, monkeypatch, capsys):
    monkeypatch.setattr(figures, "DOTS_PER_INCH", 40)
    old = directory / "figures" / "fig2.png"
    old.parent.mkdir()
    old.write_bytes(b"old")
    report = show.main([str(directory)])
    assert capsys.readouterr().out == f"{report}\n"
    names = {path.name for path in old.parent.iterdir()}
    assert {"fig2.png", "fig2.pdf", "fig3_best.png", "fig3_worst.png"} <= names
    assert imread(old).size
    assert report.read_text().count("data:image/png;base64,") == 4


def test_sample_of_the_best_model(directory):
    out = sample.main([str(directory), "--samples", "30", "--steps", "4"])
    assert out == directory / "samples"
    run = open_run(directory)
    assert open_run(directory).config == run.config
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
    sample.main([str(directory), "--samples", "30", "--steps", "4"])
    assert (out / "trajectories.csv").read_bytes() == before


@pytest.fixture
def verdict(tmp_path):
    """The synthetic run as an ensemble of `verdict`, which names it otherwise."""
    out = tmp_path / "verdict"
    create_run_directory(out, {"command": "verdict"})
    run = synthetic_run()
    settings = {"group": "sigmoid-paper", "kind": "cycles", "dataset": "stripes"}
    for name in ("seed", "latent", "normalization", "units", "models"):
        settings[name] = run.config[name]
    config = {"part": settings, "points": 30, "seconds": {"training": 1.25}}
    write_part(out, "sigmoid-paper-3", replace(run, config=config))
    config = {**config, "part": {**settings, "kind": "rbm"}}
    write_part(out, "rbm-onehot-3", replace(run, config=config))
    return out


def write_part(out, name, run):
    create_run_directory(out / name, run.config)
    write_run(out / name, run)


def test_an_ensemble_of_the_verdict_gives_what_a_run_gives(
    directory, verdict, monkeypatch
):
    part = verdict / "sigmoid-paper-3"
    few = ("--samples", "30", "--steps", "4")
    out, other = sample.main([str(directory), *few]), sample.main([str(part), *few])
    for name in ("trajectories.csv", "chains.gif"):
        assert (other / name).read_bytes() == (out / name).read_bytes()
    assert open_run(part).config["image_shape"] == (4, 4)
    monkeypatch.setattr(show, "save_figures", lambda *_: [])
    report = show.main([str(part)]).read_text()
    assert "5 models of stripes" in report
    assert "sigmoid-paper" in report


def test_where_there_is_no_ensemble_the_message_names_one(verdict, tmp_path):
    def refused(path):
        with pytest.raises(UserError) as caught:
            open_run(path)
        return str(caught.value)

    assert refused(verdict) == (
        f"{verdict} is of verdict, with an ensemble in each directory below: give one "
        f"of these, such as {verdict / 'sigmoid-paper-3'}"
    )
    machines = verdict / "rbm-onehot-3"
    assert refused(machines).startswith(f"{machines} holds restricted Boltzmann mach")
    begun = tmp_path / "begun"
    create_run_directory(begun, {"command": "horizon"})
    assert refused(begun).endswith("give one of these, once it is finished")


@pytest.mark.parametrize(
    ("latent", "normalization", "expected"),
    [
        ("onehot", "sigmoid", OneHot(3)),
        ("onehot", "softmax", OneHot(3, "softmax")),
        ("binary", "sigmoid", Binary(3)),
    ],
)
def test_a_model_is_that_of_its_row(latent, normalization, expected):
    run = synthetic_run(latent=latent)
    run.config["normalization"] = normalization
    for row in (0, 4):
        model = model_of(run, row)
        assert model.latent == expected
        np.testing.assert_array_equal(model.x_mean, run.arrays["x_mean"][row])
        for name, array in vars(model.parameters).items():
            np.testing.assert_array_equal(array, run.arrays[name][row])


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


def test_a_grid_shows_every_sample():
    x = np.random.default_rng(0).random((23, 6)) < 0.5
    shown = np.asarray(grid_figure(x, (2, 3)).axes[0].get_images()[0].get_array())
    rows, columns = shown.shape[0] // 3, shown.shape[1] // 4
    assert rows * columns >= 23
    for number, point in enumerate(x):
        top, left = 1 + 3 * (number // columns), 1 + 4 * (number % columns)
        image = shown[top : top + 2, left : left + 3]
        np.testing.assert_array_equal(image, point.reshape(2, 3))
    stripes = grid_figure(x, None).axes[0].get_images()[0].get_array()
    np.testing.assert_array_equal(stripes, x.T)


@pytest.mark.parametrize("states", [1, 3, 16])
def test_trajectories_stand_in_the_order_of_the_cycle(states):
    order = [*range(1, states), 0]
    z = np.random.default_rng(0).integers(0, states, (4, 9))
    figure = trajectory_figure(z, order, np.full((states, 5), 0.5), None)
    assert isinstance(figure, Figure)
    line, rows = figure.axes[-2:]
    places = np.asarray(rows.get_images()[0].get_array())
    np.testing.assert_array_equal(np.array(order)[places], z)
    np.testing.assert_array_equal(line.get_lines()[0].get_ydata(), places[0])
    # Many states have no portraits.
    assert len(figure.axes) == (2 if states > 12 else 2 + states)


def test_animation_without_images(tmp_path):
    x = np.arange(2 * 3 * 5).reshape(2, 3, 5) % 2 == 0
    write_animation(tmp_path / "a.gif", x, np.zeros((2, 3), int), None)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 3


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        (show, ["{}/nothing"], "not a directory"),
        (show, ["{}/figures"], "config.json is missing"),
        (sample, ["{}", "--model", "9"], "--model 9: the run has models 0 to 4"),
        (sample, ["{}", "--samples", "0"], "--samples 0: expected a positive number"),
        (sample, ["{}", "--seed", "-1"], "--seed -1: expected 0 or more"),
        (sample, ["{}", "--out", "{}"], "holds something else"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    directory, monkeypatch, capsys, command, options, words
):
    (directory / "figures").mkdir()
    arguments = [option.format(directory) for option in options]
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as stopped:
        reports_user_errors(command.main)()
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", "{}", "not that of train_ensemble"),
        ("config.json", "{", "cannot be read"),
        ("checkpoint.safetensors", "torn", "cannot be read"),
        ("models.csv", "a,b\n1\n", "cannot be read"),
    ],
)
def test_a_spoilt_run_is_named(directory, name, content, words):
    (directory / name).write_text(content)
    with pytest.raises(UserError, match=words):
        open_run(directory)
