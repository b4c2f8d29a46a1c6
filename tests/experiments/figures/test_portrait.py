"""Fig. 3 shows the numbers of one model, and what it generates."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.figures import fig3, portrait
from experiments.figures.states import numbered_by_bits, units_are_states
from nelc_jax import Binary, Gaussian, OneHot

from ..synthetic import sampled_run, synthetic_run
from .drawn import images, texts

RUNS = {
    # Units in two rows, and the values of the kernel in its cells.
    "onehot": synthetic_run(units=8),
    "binary": synthetic_run(latent="binary", units=4),
}


@pytest.fixture(scope="module")
def portraits():
    """The second model of each run."""
    return {latent: fig3(run, 1, "best of 5") for latent, run in RUNS.items()}


def kernel_axes(figure):
    return next(axes for axes in figure.axes if "kernel" in axes.get_title())


def chain(figure):
    """The names of the states of the chain, and what is drawn below each."""
    words = texts(figure)
    start = words.index("$t$") + 1
    names, steps = words[start::2], words[start + 1 :: 2]
    assert steps == [str(t) for t in range(1, 13)]
    shown = images(figure)[-24:]
    return names, shown[::2], shown[1::2]


def test_portrait_shows_weights_occupancies_and_kernel(portraits):
    figure, arrays = portraits["onehot"], RUNS["onehot"].arrays
    shown = images(figure)
    for unit in range(8):
        place = 8 * (unit // 4) + unit % 4
        np.testing.assert_array_equal(
            shown[place], arrays["w"][1, :, unit].reshape(4, 4)
        )
        np.testing.assert_array_equal(
            shown[place + 4], arrays["w_bar"][1, unit].reshape(4, 4)
        )
        assert f"{arrays['occupancy'][1, unit]:.3f}" in texts(figure)
    np.testing.assert_array_equal(shown[16], arrays["latent_kernel"][1])
    low, high = figure.axes[0].get_images()[0].get_clim()
    assert low == -high < 0
    kernel = kernel_axes(figure)
    assert (kernel.get_xlabel(), kernel.get_ylabel()) == ("to $z$", "from $z$′")
    values = [float(text.get_text()) for text in kernel.texts]
    np.testing.assert_allclose(
        np.reshape(values, (8, 8)), arrays["latent_kernel"][1], atol=0.0051
    )
    bars = [bar for axes in figure.axes for bar in axes.patches]
    np.testing.assert_allclose(
        [bar.get_height() for bar in bars], arrays["a_bar"][1], rtol=1e-6
    )


@pytest.mark.parametrize("latent", RUNS)
def test_chain_rows_are_what_the_named_state_generates(latent, portraits):
    arrays = RUNS[latent].arrays
    for name, expected, drawn in zip(*chain(portraits[latent]), strict=True):
        if latent == "onehot":
            z = np.arange(8) == int(name)
        else:
            z = np.array([bit == "1" for bit in name])
        mean = 1 / (1 + np.exp(-arrays["w"][1] @ z - arrays["a"][1]))
        np.testing.assert_allclose(expected.ravel(), mean, rtol=1e-5)
        assert set(np.unique(drawn)) <= {0, 1}
        # A pixel that is on or off for certain comes out that way.
        sure = np.abs(mean - 0.5) > 0.4999
        np.testing.assert_array_equal(drawn.ravel()[sure], mean[sure] > 0.5)


def test_chains_differ_between_models_and_repeat(portraits):
    run = synthetic_run(units=8)
    for name in ("w", "a", "w_bar", "a_bar", "x_mean", "x"):
        run.arrays[name][0] = run.arrays[name][1]
    other, again = (np.array(chain(fig3(run, i, ""))[2]) for i in (0, 1))
    first = np.array(chain(portraits["onehot"])[2])
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_binary_portrait_has_units_bias_and_a_bare_kernel(portraits):
    figure, arrays = portraits["binary"], RUNS["binary"].arrays
    shown = images(figure)
    np.testing.assert_array_equal(shown[3], arrays["w"][1, :, 3].reshape(4, 4))
    np.testing.assert_array_equal(shown[4], arrays["a"][1].reshape(4, 4))
    np.testing.assert_array_equal(shown[5], arrays["w_bar"][1, 0].reshape(4, 4))
    assert shown[9].shape == (16, 16)
    assert not kernel_axes(figure).texts
    for unit in range(4):
        on = [k for k in range(16) if (k >> unit) & 1]
        assert f"{arrays['occupancy'][1, on].sum():.3f}" in texts(figure)


@pytest.mark.parametrize("image_shape", [None, (2, 8)])
def test_data_need_not_be_square_images(image_shape):
    """Stripes, where they are no images at all."""
    figure = fig3(synthetic_run(units=8, image_shape=image_shape), 0, "")
    shown = images(figure)
    assert shown[0].shape == shown[-1].shape == (image_shape or (16, 1))
    box = figure.axes[0].get_window_extent()
    assert box.height / box.width == pytest.approx(0.5 if image_shape else 1, rel=1e-3)


def test_the_most_active_of_many_units_are_shown(monkeypatch):
    monkeypatch.setattr(portrait, "MAX_UNITS", 7)
    run = RUNS["onehot"]
    shown = images(fig3(run, 0, ""))
    active = np.sort(np.argsort(-run.arrays["occupancy"][0])[:7])
    weights = [image for image in shown if image.shape == (4, 4)][:-24]
    first_row = run.arrays["w"][0][:, active[:4]].T.reshape(-1, 4, 4)
    np.testing.assert_array_equal(weights[:4], first_row)
    assert len(weights) == 2 * 7


@pytest.mark.parametrize(
    ("states", "one_each", "by_bits"),
    [
        (OneHot(3).states(), True, False),
        (Binary(3).states(), False, True),
        (OneHot(1).states(), True, False),
        # None or one unit on, none first.
        (np.eye(4, 3, k=-1, dtype=bool), False, False),
    ],
)
def test_words_for_the_states_follow_from_the_states(states, one_each, by_bits):
    states = np.asarray(states)
    assert units_are_states(states) == one_each
    assert numbered_by_bits(states) == by_bits


def test_large_kernels_are_those_of_the_most_occupied_states():
    """A picture of a thousand states would show none of them."""
    run = synthetic_run(units=portrait.MAX_KERNEL + 5, models=1)
    axes = kernel_axes(fig3(run, 0, "the only model"))
    (shown,) = axes.get_images()
    visited = np.sort(np.argsort(-run.arrays["occupancy"][0])[: portrait.MAX_KERNEL])
    np.testing.assert_array_equal(
        shown.get_array(), run.arrays["latent_kernel"][0][visited][:, visited]
    )
    for axis in (axes.xaxis, axes.yaxis):
        for place, label in zip(
            axis.get_ticklocs(), axis.get_ticklabels(), strict=True
        ):
            assert label.get_text() == str(visited[int(place)])


def test_states_that_are_sampled_have_a_portrait_without_kernel():
    run = sampled_run()
    figure = fig3(run, 1, "best of 5")
    assert not any("kernel" in axes.get_title() for axes in figure.axes)
    np.testing.assert_array_equal(
        images(figure)[0], run.arrays["w"][1, :, 0].reshape(4, 4)
    )
    assert "undefined" not in " ".join(texts(figure))


@pytest.mark.parametrize("units", [2, 4])
def test_continuous_states_are_named_by_their_numbers(units):
    """Those that fit; what stands below is what the named state generates."""
    run = synthetic_run(latent="binary", units=units)
    run = replace(sampled_run(), arrays=run.arrays, latent=Gaussian(units))
    figure = fig3(run, 1, "best of 5")
    names, means, _ = chain(figure)
    if units > 2:
        assert set(names) == {""}
        return
    w, a = (run.arrays[name][1] for name in ("w", "a"))
    for name, mean in zip(names, means, strict=True):
        z = np.array([float(number) for number in name.split(", ")])
        # A number has one decimal: half a tenth of each weight.
        logits = (w @ z + a).reshape(4, 4)
        slack = 0.05 * np.abs(w).sum(axis=1).reshape(4, 4) / 4 + 1e-6
        assert (np.abs(mean - 1 / (1 + np.exp(-logits))) < slack).all()
