"""The graph of a chain: what is drawn is what the chain does."""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from nelc_jax.diagnostics import (
    currents,
    entropy_production_rate,
    reversible_part,
)
from nelc_jax.markov import stationary_distribution
from nelc_jax.plot import cycle_graph, cycle_order

from .. import reference

ORDER = [0, 3, 1, 4, 2]


def noisy_ring(order=ORDER, size=6, noise=0.2):
    """A cycle through some states, and jumps at random; with its stationary law."""
    M = noise * reference.random_stochastic(size, 0)
    for state in range(size):
        place = order.index(state) if state in order else 0
        M[state, order[(place + 1) % len(order)]] += 1 - noise
    return M, np.asarray(stationary_distribution(jnp.asarray(M)))


def drawn(M, p_bar, *rest):
    axes = Figure(figsize=(3.4, 3.4)).subplots()
    with np.errstate(divide="ignore"):
        return axes, cycle_graph(axes, np.log(M), p_bar, *rest)


def rotated(states, first):
    return states[states.index(first) :] + states[: states.index(first)]


def width(outline):
    """Of a ribbon or of the shaft of an arrow: its outline begins and ends there."""
    return np.hypot(*(outline[0] - outline[-1]))


def test_the_ring_is_in_the_order_of_the_cycle(x64):
    M, p_bar = noisy_ring()
    _, graph = drawn(M, p_bar)
    assert rotated(graph.cycle, 0) == ORDER
    # State 5, to which the cycle seldom leads, goes to state 3.
    on_cycle = [state for state in graph.order if state != 5]
    assert rotated(on_cycle, 0) == ORDER
    assert sorted(graph.order) == list(range(6))
    assert cycle_order(np.log(M), p_bar) == graph.order
    assert cycle_order(np.log(M), p_bar, 1) == graph.cycle
    # Clockwise from the top, on a circle of radius 1.
    centre = np.array([node.center for node in graph.nodes])
    np.testing.assert_allclose(np.hypot(*centre.T), 1)
    angle = np.arctan2(*centre.T)
    assert angle[0] == pytest.approx(0)
    assert (np.diff(np.where(angle < -1e-9, angle + 2 * np.pi, angle)) > 0).all()


def test_areas_widths_and_title_are_the_numbers_of_the_chain(x64):
    M, p_bar = noisy_ring()
    _, graph = drawn(M, p_bar)
    area = np.array([node.radius for node in graph.nodes]) ** 2
    np.testing.assert_allclose(area / area.sum(), p_bar[graph.order])
    flux, J = p_bar[:, None] * M, np.asarray(currents(*map(jnp.asarray, (M, p_bar))))
    total = flux + flux.T
    np.fill_diagonal(total, 0)
    assert graph.widest == pytest.approx(total.max())
    ribbons = [width(path.vertices[:-1]) for path in graph.traffic.get_paths()]
    per_width = graph.widest / max(ribbons)
    seen = np.sort(total[np.triu(total, 1) > graph.thinnest])
    np.testing.assert_allclose(np.sort(ribbons) * per_width, seen, rtol=1e-9)
    assert graph.arrows.keys() == {
        tuple(pair) for pair in np.argwhere(graph.thinnest < J).tolist()
    }
    for pair, arrow in graph.arrows.items():
        assert width(arrow.get_xy()[:-1]) * per_width == pytest.approx(J[pair])
    loop = list(zip(graph.cycle, [*graph.cycle[1:], graph.cycle[0]], strict=True))
    affinity = sum(np.log(flux[pair] / flux.T[pair]) for pair in loop)
    sigma = float(entropy_production_rate(*map(jnp.asarray, (M, p_bar))))
    assert graph.affinity == pytest.approx(affinity)
    assert graph.share == pytest.approx(
        min(J[pair] for pair in loop) * affinity / sigma
    )
    words = graph.title.get_text()
    assert f"affinity {affinity:.3g} nats" in words
    assert f"{100 * graph.share:.3g} % of $\\sigma$ = {sigma:.3g} nats" in words


def test_arrows_point_from_node_to_node(x64):
    M, p_bar = noisy_ring()
    images = np.random.default_rng(0).random((6, 2, 3))
    for given in (None, images):
        _, graph = drawn(M, p_bar, given)
        for (start, end), arrow in graph.arrows.items():
            outline = arrow.get_xy()[:-1]
            boxes = []
            for state in (start, end):
                node = graph.nodes[graph.order.index(state)]
                if given is None:
                    boxes.append((np.array(node.center), node.radius))
                    continue
                left, right, bottom, top = node.get_extent()
                boxes.append((np.array([left + right, bottom + top]) / 2, right - left))
            np.testing.assert_allclose((outline[0] + outline[-1]) / 2, boxes[0][0])
            # The tip, in the middle of the outline, ends short of its node.
            tip = outline[len(outline) // 2]
            assert 0 < np.abs(tip - boxes[1][0]).max() < 1.3 * boxes[1][1] + 0.1


def test_nodes_are_the_images_and_lie_apart(x64):
    M, p_bar = noisy_ring()
    images = np.random.default_rng(0).random((6, 2, 3))
    axes, graph = drawn(M, p_bar, jnp.asarray(images))
    boxes = []
    for state, node in zip(graph.order, graph.nodes, strict=True):
        np.testing.assert_array_equal(node.get_array(), images[state])
        left, right, bottom, top = node.get_extent()
        boxes.append((left, right, bottom, top))
    boxes = np.array(boxes)
    sides = boxes[:, 1] - boxes[:, 0]
    np.testing.assert_allclose(sides**2 / np.sum(sides**2), p_bar[graph.order])
    for one in range(6):
        for other in range(one):
            apart = np.abs(boxes[one] - boxes[other])[[0, 2]]
            assert apart.max() > (sides[one] + sides[other]) / 2
    # Everything within the axes, numbers too.
    for number in graph.numbers:
        assert np.abs(number.get_path().vertices).max() < axes.get_xlim()[1]
    assert np.abs(boxes).max() < axes.get_xlim()[1]


def test_a_chain_without_currents_has_its_ribbons_and_no_arrow():
    M, p_bar = (jnp.asarray(part, jnp.float32) for part in noisy_ring())
    _, driven = drawn(M, p_bar)
    _, still = drawn(reversible_part(M, p_bar), p_bar, None, driven.order)
    assert still.order == driven.order
    assert (still.cycle, still.arrows) == ([], {})
    assert still.title.get_text() == "no net current"
    for one, other in zip(
        driven.traffic.get_paths(), still.traffic.get_paths(), strict=True
    ):
        np.testing.assert_allclose(one.vertices, other.vertices, atol=1e-5)


def test_one_way_jumps_are_a_cycle_of_infinite_affinity():
    M = np.roll(np.eye(4, dtype=np.float32), 1, axis=1)
    _, graph = drawn(M, np.full(4, 0.25, np.float32))
    assert rotated(graph.cycle, 0) == [0, 1, 2, 3]
    assert (graph.affinity, np.isnan(graph.share)) == (np.inf, True)
    assert len(graph.arrows) == 4
    assert "one-way jumps" in graph.title.get_text()


def test_few_states_and_states_that_are_never_visited():
    for size in (1, 2):
        _, graph = drawn(np.full((size, size), 1 / size), np.full(size, 1 / size))
        assert (graph.cycle, graph.arrows, len(graph.nodes)) == ([], {}, size)
    M, p_bar = (
        np.eye(4)[[1, 2, 0, 0]] * 0.9 + 0.1 * np.eye(4)[[2, 0, 1, 1]],
        [1 / 3] * 3,
    )
    _, graph = drawn(M, np.array([*p_bar, 0]))
    assert graph.order[-1] == 3
    assert graph.nodes[-1].radius > 0


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_one_line():
    M, p_bar = noisy_ring()
    for rest, words in (
        ((np.zeros((5, 2, 2)),), r"images of shape \(5, 2, 2\): expected \(6, H, W\)"),
        ((None, [0, 0]), r"order=\[0, 0\]: expected some of 6 states, each once"),
        ((None, [6]), r"order=\[6\]"),
    ):
        with pytest.raises(ValueError, match=words):
            drawn(M, p_bar, *rest)
    with pytest.raises(ValueError, match="p_bar has nan"):
        drawn(M, np.full(6, np.nan))
