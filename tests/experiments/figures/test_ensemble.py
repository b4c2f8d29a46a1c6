"""Fig. 2 and Fig. 4 show the numbers of the run, also the awkward ones."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from experiments.figures import fig2, fig4
from experiments.figures.ensemble import undrawn_kl
from experiments.figures.style import sigma_colours

from ..synthetic import synthetic_run
from .drawn import filled, open_markers


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


def test_epochs_that_were_not_measured_are_no_undefined_values():
    run = synthetic_run()
    sigma = run.history["entropy_production_rate"]
    sigma[run.history["epoch"] % 2 == 1] = np.nan
    assert fig2(run).axes[1].get_title(loc="right") == ""
    sigma[(run.history["epoch"] == 4) & (run.history["model"] == 3)] = np.nan
    assert fig2(run).axes[1].get_title(loc="right") == "1 undefined"


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


def test_a_divergence_of_no_model_has_no_panel():
    """Without labels, or infinite for all; and a panel of no number has no scale."""
    run = synthetic_run()
    assert undrawn_kl(run) is None
    run.models["kl_divergence"][:] = np.inf
    assert "every model leaves out a class" in undrawn_kl(run)
    run.config["class_names"] = list("0123456789")
    assert "10 classes and the models 3 latent states" in undrawn_kl(run)
    run.models["relaxation_time"][:] = np.inf
    tau, stay = fig4(run).axes
    assert tau.get_title(loc="right") == "5 infinite"
    assert len(tau.get_yticks()) == len(tau.get_yticks(minor=True)) == 0
    assert len(stay.get_yticks()) > 0
    del run.models["kl_divergence"]
    assert "no labels" in undrawn_kl(run)
    assert len(fig4(run).axes) == 2


def test_models_that_diverged_are_crosses_and_set_no_scale():
    run, whole = synthetic_run(models=7), synthetic_run(models=7)
    run.models["diverged_in"] = np.array([0, 4, 0, 0, 0, 1, 0])
    run.models["log_likelihood"][[1, 5]] = -1e9
    for name in ("log_likelihood", "entropy_production_rate"):
        for model, epoch in ((1, 4), (5, 1)):
            gone = (run.history["model"] == model) & (run.history["epoch"] >= epoch)
            run.history[name][gone] = np.nan
    kept = [0, 2, 3, 4, 6]
    expected = sigma_colours(run.models["entropy_production_rate"][kept]).to_rgba(
        run.models["entropy_production_rate"][kept]
    )
    a, b, c, _ = fig2(run).axes
    np.testing.assert_allclose(filled(c).get_facecolors(), expected)
    assert c.get_ylim()[0] > whole.models["log_likelihood"].min() - 1
    crosses, _ = open_markers(c)
    sigma = run.models["entropy_production_rate"]
    left, right = c.get_xlim()
    np.testing.assert_allclose(
        crosses,
        [(np.clip(sigma[m], left, right), c.get_ylim()[0]) for m in (1, 5)],
    )
    for axes in (a, b, c, *fig4(run).axes):
        assert axes.get_title(loc="right") == "2 diverged"
    # The line of the first ends before the fourth epoch, in a cross.
    line = b.get_lines()[1]
    assert np.isfinite(line.get_ydata()).sum() == 3
    (cross, _), _ = open_markers(b)
    rate = whole.history["entropy_production_rate"]
    assert cross == (3, rate[(whole.history["model"] == 1)][2])
