"""All figures of a run, their words and their files."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments import figures
from experiments.figures import by_likelihood, fig2, save_figure, save_figures

from ..synthetic import synthetic_run


def test_undefined_log_likelihoods_rank_last():
    run = synthetic_run(models=4)
    run.models["log_likelihood"][:] = [-5, np.nan, -3, -np.inf]
    np.testing.assert_array_equal(by_likelihood(run), [2, 0, 3, 1])


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out what is slow, for tests of what is said about the figures."""
    monkeypatch.setattr(Figure, "savefig", lambda *arguments, **options: None)
    monkeypatch.setattr(figures, "fig3", lambda *arguments: Figure())


@pytest.mark.usefixtures("undrawn")
def test_best_and_worst_are_named(tmp_path):
    run = synthetic_run()
    run.models["model"] += 40
    run.history["model"] += 40
    run.models["log_likelihood"][:] = [-5, -4, -9, -3, -8]
    saved = {figure.name: figure for figure in save_figures(run, tmp_path)}
    cycles = ["cycle_best", "cycle_worst"]
    assert list(saved) == [*cycles, "fig2", "fig3_best", "fig3_worst", "fig4"]
    for name, model in zip(cycles, ("43", "42"), strict=True):
        assert saved[name].caption.startswith(f"Model {model} jumps")
        assert f"latent states of model {model}," in saved[name].alt
    assert saved["fig3_best"].caption.startswith("Model 43.")
    assert saved["fig3_worst"].caption.startswith("Model 42.")
    assert "triangles" not in saved["fig4"].caption


@pytest.mark.usefixtures("undrawn")
def test_captions_speak_of_what_is_shown(tmp_path):
    run = synthetic_run(latent="binary", units=1, models=2, epochs=1)
    run.models["relaxation_time"][0] = np.inf
    run.models["kl_divergence"][:] = np.inf
    run.models["entropy_production_rate"][:] = 0
    captions = {figure.name: figure.caption for figure in save_figures(run, tmp_path)}
    assert "triangles" in captions["fig4"]
    assert "triangles" not in captions["fig2"]
    for words in ("to be on", "visible bias", "written as its bits", "binary number"):
        assert words in captions["fig3_best"]
    single = synthetic_run(models=1, units=1)
    caption = save_figures(single, tmp_path)[1].caption
    assert "occupancy" in caption
    assert "bias a)" not in caption
    assert "bits" not in caption


def test_a_single_model_after_one_epoch(tmp_path, monkeypatch):
    def draw(figure, file, format, **_):
        if format == "png":
            figure.draw_without_rendering()

    monkeypatch.setattr(Figure, "savefig", draw)
    run = synthetic_run(models=1, units=1, epochs=1)
    saved = save_figures(run, tmp_path)
    assert [figure.name for figure in saved] == ["fig2", "fig3_best", "fig4"]
    # A line of one point would not be seen without its marker.
    figure = fig2(run)
    assert figure.axes[0].get_lines()[0].get_marker() == "o"
    assert figure.get_figwidth() == 7


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    figure = Figure(figsize=(3, 1))
    figure.subplots().set_title(r"$\sigma$")
    first, again = (
        save_figure(tmp_path / name, "small", "A title", "", figure)
        for name in ("first", "again")
    )
    pixels = imread(first.png)
    assert pixels.shape[:2] == (figures.DOTS_PER_INCH, 3 * figures.DOTS_PER_INCH)
    assert np.ptp(pixels[..., :3]) == 1
    assert first.pdf.read_bytes().startswith(b"%PDF")
    assert first.pdf.read_bytes() == again.pdf.read_bytes()
    assert first.png.read_bytes() == again.png.read_bytes()
