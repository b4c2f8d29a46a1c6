"""The figures show the numbers of the run, also the awkward ones."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments.figures import by_likelihood, fig2, fig3, fig4, save_figures
from experiments.figures.style import sigma_colours

from ..synthetic import synthetic_run


def filled(axes):
    """The collection of filled markers."""
    return next(c for c in axes.collections if c.get_clip_on() and c.get_offsets().size)


def open_markers(axes):
    """Positions and edge colours of the markers on the frame."""
    marks = [c for c in axes.collections if not c.get_clip_on()]
    points = [tuple(point) for c in marks for point in c.get_offsets()]
    colours = [tuple(colour) for c in marks for colour in c.get_edgecolors()]
    return points, colours


def images(figure):
    """The arrays of all images, in the order they were drawn."""
    shown = [image for axes in figure.axes for image in axes.get_images()]
    return [np.asarray(image.get_array()) for image in shown]


def texts(figure):
    return [text.get_text() for text in figure.texts]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Fig. 2


def test_training_draws_each_model_once_with_its_own_history():
    run = synthetic_run()
    # The rows of a table have no order that a figure may rely on.
    shuffled = np.random.default_rng(1).permutation(len(run.history["epoch"]))
    for name, column in run.history.items():
        run.history[name] = column[shuffled]
    figure = fig2(run)
    for axes, name in zip(
        figure.axes, ("log_likelihood", "entropy_production_rate"), strict=False
    ):
        lines = axes.get_lines()
        assert len(lines) == 5
        for model, line in enumerate(lines):
            mine = run.history["model"] == model
            order = np.argsort(run.history["epoch"][mine])
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 7))
            np.testing.assert_array_equal(
                line.get_ydata(), run.history[name][mine][order]
            )


def test_a_model_has_the_colour_of_its_final_sigma_in_every_panel():
    run = synthetic_run()
    sigma = run.models["entropy_production_rate"]
    expected = sigma_colours(sigma).to_rgba(sigma)
    a, b, c, _ = fig2(run).axes
    for axes in (a, b):
        drawn = [to_rgba(line.get_color()) for line in axes.get_lines()]
        np.testing.assert_allclose(drawn, expected)
    np.testing.assert_allclose(filled(c).get_facecolors(), expected)
    for axes in fig4(run).axes:
        np.testing.assert_allclose(filled(axes).get_facecolors(), expected)
    # Viridis gets lighter: the order of the colours is that of sigma.
    light = expected[np.argsort(sigma)] @ [0.2126, 0.7152, 0.0722, 0]
    assert np.all(np.diff(light) > 0)


def test_the_last_panel_sets_log_likelihood_against_sigma():
    run = synthetic_run()
    np.testing.assert_allclose(
        filled(fig2(run).axes[2]).get_offsets(),
        np.stack(
            [run.models["entropy_production_rate"], run.models["log_likelihood"]], 1
        ),
    )


def test_the_beginning_does_not_squash_the_log_likelihoods():
    run = synthetic_run()
    history = run.history["log_likelihood"]
    history[run.history["epoch"] == 3] += 0.5
    low, high = fig2(run).axes[0].get_ylim()
    late = history[run.history["epoch"] > 3]
    assert history.min() < low < late.min()
    assert history.max() < high
    assert high - low < 2 * (history.max() - late.min())


# Fig. 4


def test_indicators_are_log_linear_in_sigma():
    run = synthetic_run()
    columns = ("kl_divergence", "relaxation_time", "mean_self_transition")
    for axes, name in zip(fig4(run).axes, columns, strict=True):
        assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
        np.testing.assert_allclose(
            filled(axes).get_offsets(),
            np.stack([run.models["entropy_production_rate"], run.models[name]], 1),
        )


@pytest.mark.parametrize(("latent", "states"), [("onehot", 3), ("binary", 8)])
def test_the_random_self_transition_is_one_over_the_latent_states(latent, states):
    axes = fig4(synthetic_run(latent=latent)).axes[2]
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_ydata(), 1 / states)
    assert line.get_linestyle() == "--"
    assert axes.get_ylim()[0] < 1 / states < axes.get_ylim()[1]


def test_error_bars_have_the_length_of_the_error():
    run = synthetic_run()
    tau = run.models["relaxation_time"]
    run.models["relaxation_time_error"] = 0.1 * tau
    kl, tau_axes, _ = fig4(run).axes
    assert not kl.containers
    (bars,) = tau_axes.containers
    ends = np.array([segment[:, 1] for segment in bars[2][0].get_segments()])
    np.testing.assert_allclose(ends, np.stack([0.9 * tau, 1.1 * tau], 1))


def test_values_that_no_axis_holds_stand_on_the_frame_and_are_counted():
    run = synthetic_run(models=7)
    sigma, kl = run.models["entropy_production_rate"], run.models["kl_divergence"]
    kl[0], kl[1], kl[2] = np.inf, 0, np.nan
    sigma[3] = np.inf
    axes = fig4(run).axes[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    np.testing.assert_allclose(
        filled(axes).get_offsets(), np.stack([sigma[4:], kl[4:]], 1)
    )
    points, colours = open_markers(axes)
    np.testing.assert_allclose(
        points, [(sigma[0], top), (sigma[1], bottom), (right, kl[3])]
    )
    np.testing.assert_allclose(
        colours, sigma_colours(sigma).to_rgba(np.append(sigma[:2], np.inf))
    )
    assert axes.get_title(loc="right") == "2 infinite, 1 zero, 1 undefined"
    assert left < sigma[4:].min()
    assert sigma[4:].max() < right < np.inf


def test_an_infinite_history_value_leaves_the_rest_of_the_line():
    run = synthetic_run()
    run.history["entropy_production_rate"][-1] = np.inf
    axes = fig2(run).axes[1]
    assert np.isfinite(axes.get_lines()[-1].get_ydata()).sum() == 5
    points, _ = open_markers(axes)
    np.testing.assert_allclose(points, [(6, axes.get_ylim()[1])])
    assert axes.get_title(loc="right") == "1 infinite"


def test_a_run_without_classes_has_an_empty_first_panel():
    run = synthetic_run()
    del run.models["kl_divergence"]
    axes = fig4(run).axes[0]
    assert axes.get_title(loc="right") == "5 undefined"


# Fig. 3


def test_portrait_shows_weights_occupancies_and_kernel():
    run = synthetic_run()
    figure = fig3(run, 2, "best of 5")
    shown = images(figure)
    for unit in range(3):
        np.testing.assert_array_equal(
            shown[unit], run.arrays["w"][2, :, unit].reshape(4, 4)
        )
        np.testing.assert_array_equal(
            shown[3 + unit], run.arrays["w_bar"][2, unit].reshape(4, 4)
        )
        assert f"{run.arrays['occupancy'][2, unit]:.3f}" in texts(figure)
    np.testing.assert_array_equal(shown[6], run.arrays["latent_kernel"][2])
    low, high = figure.axes[0].get_images()[0].get_clim()
    assert low == -high < 0
    kernel = next(axes for axes in figure.axes if "kernel" in axes.get_title())
    assert (kernel.get_xlabel(), kernel.get_ylabel()) == ("to $z$", "from $z$′")
    values = [float(text.get_text()) for text in kernel.texts]
    np.testing.assert_allclose(
        np.reshape(values, (3, 3)), run.arrays["latent_kernel"][2], atol=0.0051
    )
    bars = next(axes for axes in figure.axes if axes.patches).patches
    np.testing.assert_allclose(
        [bar.get_height() for bar in bars], run.arrays["a_bar"][2], rtol=1e-6
    )


@pytest.mark.parametrize("latent", ["onehot", "binary"])
def test_chain_rows_are_what_the_named_state_generates(latent):
    run = synthetic_run(latent=latent)
    figure = fig3(run, 1, "")
    words = texts(figure)
    start = words.index("$t$") + 1
    names, steps = words[start::2], words[start + 1 :: 2]
    assert steps == [str(t) for t in range(1, 13)]
    chain = images(figure)[-24:]
    for name, expected, drawn in zip(names, chain[::2], chain[1::2], strict=True):
        if latent == "onehot":
            z = np.arange(3) == int(name)
        else:
            z = np.array([bit == "1" for bit in name])
        mean = sigmoid(run.arrays["w"][1] @ z + run.arrays["a"][1])
        np.testing.assert_allclose(expected.ravel(), mean, rtol=1e-5)
        assert set(np.unique(drawn)) <= {0, 1}
        # A pixel that is on or off for certain comes out that way.
        sure = np.abs(mean - 0.5) > 0.4999
        np.testing.assert_array_equal(drawn.ravel()[sure], mean[sure] > 0.5)


def test_chains_differ_between_models_and_repeat():
    run = synthetic_run()
    for name in ("w", "a", "w_bar", "a_bar", "x_mean", "x"):
        run.arrays[name][1] = run.arrays[name][0]
    first, again, other = (images(fig3(run, i, ""))[-24:] for i in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(np.array(first) != np.array(other))


def test_binary_portrait_has_units_bias_and_a_bare_kernel():
    run = synthetic_run(latent="binary", units=4)
    figure = fig3(run, 0, "")
    shown = images(figure)
    np.testing.assert_array_equal(shown[3], run.arrays["w"][0, :, 3].reshape(4, 4))
    np.testing.assert_array_equal(shown[4], run.arrays["a"][0].reshape(4, 4))
    np.testing.assert_array_equal(shown[5], run.arrays["w_bar"][0, 0].reshape(4, 4))
    assert shown[9].shape == (16, 16)
    kernel = next(axes for axes in figure.axes if "kernel" in axes.get_title())
    assert not kernel.texts
    for unit in range(4):
        on = [k for k in range(16) if (k >> unit) & 1]
        assert f"{run.arrays['occupancy'][0, on].sum():.3f}" in texts(figure)


def test_data_that_are_no_images_are_stripes():
    run = synthetic_run(image_shape=None, num_visible=11)
    shown = images(fig3(run, 0, ""))
    assert shown[0].shape == shown[-1].shape == (11, 1)


def test_images_need_not_be_square():
    run = synthetic_run(image_shape=(2, 6), num_visible=12)
    figure = fig3(run, 0, "")
    assert images(figure)[0].shape == (2, 6)
    box = figure.axes[0].get_window_extent()
    assert box.height / box.width == pytest.approx(0.5, rel=1e-3)


def test_the_most_active_of_many_units_are_shown():
    run = synthetic_run(units=20)
    shown = images(fig3(run, 0, ""))
    active = np.sort(np.argsort(-run.arrays["occupancy"][0])[:18])
    weights = [image for image in shown if image.shape == (4, 4)][:-24]
    first_row = run.arrays["w"][0][:, active[:6]].T.reshape(-1, 4, 4)
    np.testing.assert_array_equal(weights[:6], first_row)
    assert len(weights) == 2 * 18


# All of them


def test_undefined_log_likelihoods_rank_last():
    run = synthetic_run(models=4)
    run.models["log_likelihood"][:] = [-5, np.nan, -3, -np.inf]
    np.testing.assert_array_equal(by_likelihood(run), [2, 0, 3, 1])


@pytest.fixture
def unsaved(monkeypatch):
    """Leave out the slow drawing, for tests of what is said about the figures."""
    monkeypatch.setattr(Figure, "savefig", lambda *arguments, **options: None)


@pytest.mark.usefixtures("unsaved")
def test_best_and_worst_are_named(tmp_path):
    run = synthetic_run()
    run.models["model"] += 40
    run.history["model"] += 40
    run.models["log_likelihood"][:] = [-5, -4, -9, -3, -8]
    saved = {figure.name: figure for figure in save_figures(run, tmp_path)}
    assert list(saved) == ["fig2", "fig3_best", "fig3_worst", "fig4"]
    assert saved["fig3_best"].caption.startswith("Model 43.")
    assert saved["fig3_worst"].caption.startswith("Model 42.")
    assert "triangles" not in saved["fig4"].caption


@pytest.mark.usefixtures("unsaved")
def test_infinite_values_are_mentioned_in_the_caption(tmp_path):
    run = synthetic_run(units=1, models=2, epochs=1)
    run.models["relaxation_time"][0] = np.inf
    run.models["kl_divergence"][:] = np.inf
    run.models["entropy_production_rate"][:] = 0
    captions = {figure.name: figure.caption for figure in save_figures(run, tmp_path)}
    assert "triangles" in captions["fig4"]
    assert "triangles" not in captions["fig2"]


def test_a_single_model_after_one_epoch(tmp_path):
    run = synthetic_run(models=1, units=1, epochs=1)
    first = save_figures(run, tmp_path / "first")
    assert [figure.name for figure in first] == ["fig2", "fig3_best", "fig4"]
    # A line of one point would not be seen without its marker.
    assert fig2(run).axes[0].get_lines()[0].get_marker() == "o"
    for figure, again in zip(first, save_figures(run, tmp_path / "again"), strict=True):
        pixels = imread(io.BytesIO(figure.png.read_bytes()))
        assert pixels.shape[1] == pytest.approx(7 * 220, abs=1)
        assert np.ptp(pixels[..., :3]) == 1
        assert figure.pdf.read_bytes().startswith(b"%PDF")
        assert figure.pdf.read_bytes() == again.pdf.read_bytes()
        assert figure.png.read_bytes() == again.png.read_bytes()
