"""A model's currents, and the same chain without them."""

import numpy as np
import pytest

from experiments.figures import cycle
from experiments.figures.cycle import (
    cycle_alt,
    cycle_caption,
    cycle_figure,
    has_cycle,
)

from ..synthetic import sampled_run, synthetic_run
from .drawn import images

RING = np.array([[0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]])


def ring_run(kernel, **options):
    """A run whose second model has this kernel and a uniform law."""
    run = synthetic_run(units=len(kernel), models=2, **options)
    run.arrays["latent_kernel"][1] = kernel
    run.arrays["log_latent_kernel"][1] = np.log(kernel)
    run.arrays["occupancy"][1] = 1 / len(kernel)
    run.models["entropy_production_rate"][1] = 0.85 * np.log(18)
    return run


def test_the_model_and_its_twin_without_currents():
    run = ring_run(RING)
    figure, graph = cycle_figure(run, 1, "best of 2")
    driven, still = figure.axes
    place = graph.cycle.index(0)
    assert [*graph.cycle[place:], *graph.cycle[:place]] == [0, 1, 2]
    assert graph.arrows.keys() == {(0, 1), (1, 2), (2, 0)}
    assert len(driven.patches) - len(still.patches) == 3
    assert "without its currents" in still.get_title()
    assert "best of 2" in figure.get_suptitle()
    mean = 1 / (1 + np.exp(-run.arrays["w"][1].T - run.arrays["a"][1]))
    expected = mean[graph.order].reshape(-1, 4, 4)
    np.testing.assert_allclose(images(figure), [*expected, *expected], rtol=1e-5)


def test_words_for_who_has_not_read_the_paper():
    run = ring_run(RING)
    _, graph = cycle_figure(run, 1, "")
    caption, alt = cycle_caption(run, 1, graph), cycle_alt(run, 1, graph)
    # e^sigma = 18^0.85 = 11.66.
    assert "a factor of exp σ = 12 a double step" in caption
    assert "spends" not in caption
    path = ", ".join(map(str, graph.cycle))
    assert f"lead round through the states {path} and back to {path[0]}" in alt
    assert "no blue arrows" in alt
    run.models["entropy_production_rate"][1] = np.inf
    assert "found out at once" in cycle_caption(run, 1, graph)


def test_a_chain_without_currents_and_data_that_are_no_images():
    run = ring_run(np.full((3, 3), 1 / 3), image_shape=None)
    figure, graph = cycle_figure(run, 1, "")
    assert not images(figure)
    assert "there is no arrow" in cycle_alt(run, 1, graph)
    assert "Orange" not in cycle_caption(run, 1, graph)
    assert "A circle is a latent state with its number" in cycle_caption(run, 1, graph)


@pytest.mark.parametrize(("most", "shown"), [(64, 3), (2, 2)])
def test_states_that_are_hardly_visited_are_left_out_with_a_word(
    monkeypatch, most, shown
):
    monkeypatch.setattr(cycle, "MAX_STATES", most)
    run = ring_run(np.full((4, 4), 1 / 4))
    run.arrays["occupancy"][1] = [0.5, 0.3, 0.1995, 0.0005]
    run.arrays["latent_kernel"][1] = run.arrays["occupancy"][1]
    run.arrays["log_latent_kernel"][1] = np.log(run.arrays["occupancy"][1])
    _, graph = cycle_figure(run, 1, "")
    assert graph.order == [0, 1, 2][:shown]
    time = {3: "over 99.9 %", 2: "80 %"}[shown]
    words = f"({shown} of 4, in which the model spends {time}"
    assert words in cycle_caption(run, 1, graph)


def test_who_has_no_cycle():
    assert has_cycle(synthetic_run(), 0)
    assert not has_cycle(sampled_run(), 0)
    assert not has_cycle(synthetic_run(units=2), 0)
    run = synthetic_run()
    run.arrays["log_latent_kernel"][1] = np.nan
    assert not has_cycle(run, 1)
