"""The latent states of one model on a circle, with its currents and without."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.figures.portrait import heading
from experiments.figures.style import TWO_COLUMNS, add_legend
from experiments.runs.directory import Run
from experiments.runs.finished import model_of
from nelc_jax.diagnostics import reversible_part
from nelc_jax.model import state_logits
from nelc_jax.plot import CycleGraph, cycle_graph, cycle_order
from nelc_jax.plot.style import STYLE

MAX_STATES, VISITED = 64, 0.999
"""Beside the dominant cycle, the most visited states are shown: so many at most, and no
more than together make up that share of the time."""

HEIGHT = 3.9
"""Inches."""


def has_cycle(run: Run, index: int) -> bool:
    """Whether one model has a known kernel of states enough for a current."""
    if "log_latent_kernel" not in run.arrays:
        return False
    log_M = run.arrays["log_latent_kernel"][index]
    return len(log_M) > 2 and not np.isnan(log_M).any()


# Compiled: one by one, its operations take five times as long to build.
@jax.jit
def _balanced(log_M: Array, p_bar: Array) -> Array:
    return jnp.log(reversible_part(jnp.exp(log_M), p_bar))


@rc_context(STYLE)
def cycle_figure(run: Run, index: int, rank: str) -> tuple[Figure, CycleGraph]:
    """The cycle graph of a model, and beside it that of its reversible part.

    **Arguments:** as `portrait.fig3`.
    """
    log_M = jnp.asarray(run.arrays["log_latent_kernel"][index])
    p_bar = jnp.asarray(run.arrays["occupancy"][index])
    shape, images = run.config.get("image_shape"), None
    if shape is not None:
        means = jax.nn.sigmoid(state_logits(model_of(run, index)))
        images = np.asarray(means).reshape(-1, *shape)
    visited = np.cumsum(np.sort(p_bar)[::-1])
    count = min(1 + int(np.sum(visited < VISITED)), MAX_STATES)
    order = None if count == len(p_bar) else cycle_order(log_M, p_bar, count)
    figure = Figure(figsize=(TWO_COLUMNS, HEIGHT), layout="constrained")
    figure.suptitle(heading(run, index, rank), x=0.01, ha="left", fontsize=8)
    left, right = figure.subplots(1, 2)
    graph = cycle_graph(left, log_M, p_bar, images, order)
    still = _balanced(log_M, p_bar)
    balanced = cycle_graph(right, still, p_bar, images, graph.order)
    balanced.title.set_text("the same chain without its currents:\n$\\sigma$ = 0")
    add_legend(figure, left)
    return figure, graph


def cycle_alt(run: Run, index: int, graph: CycleGraph) -> str:
    """The figure in words, for who does not see it."""
    nodes = "drawn as the image that it generates"
    if run.config.get("image_shape") is None:
        nodes = "a circle with its number"
    way = "there is no arrow, for want of a net current"
    if graph.cycle:
        path = ", ".join(map(str, graph.cycle))
        others = sum(not _on_cycle(graph, *pair) for pair in graph.arrows)
        way = (
            f"orange arrows lead round through the states {path} and back to "
            f"{graph.cycle[0]}, and {others or 'no'} blue arrows join others"
        )
    return (
        f"Two rings of the {len(graph.order)} latent states of model "
        f"{run.models['model'][index]}, each {nodes}, large where the model spends "
        "much time, and grey ribbons between states with many jumps. On the left, "
        f"{way}; on the right is the same ring with its ribbons and no arrow."
    )


def cycle_caption(run: Run, index: int, graph: CycleGraph) -> str:
    """What the figure says, first for who has not read the paper."""
    sigma = float(run.models["entropy_production_rate"][index])
    node, p_bar = "square", run.arrays["occupancy"][index]
    content = "the image that it generates"
    if run.config.get("image_shape") is None:
        node, content = "circle", "its number"
    some = cycle = ""
    if len(graph.order) < len(p_bar):
        time = p_bar[graph.order].sum()
        share = f"over {100 * VISITED:g}" if time > VISITED else f"{100 * time:.3g}"
        some = (
            f" ({len(graph.order)} of {len(p_bar)}, in which the model spends "
            f"{share} % of the time)"
        )
    if graph.cycle:
        cycle = (
            " Orange is the cycle with the largest part in σ, its net current times "
            "its affinity, which is the entropy produced in one turn."
        )
    return (
        f"Model {run.models['model'][index]} jumps between latent states, each of "
        "which generates images of one kind, and the arrows show where it goes more "
        "often than it comes back: "
        f"{_odds(sigma)}; the chain on the right makes the same jumps as often, but "
        f"each as often backwards, so that a film of it has no direction. A {node} is "
        f"a latent state{some} with {content}, its "
        "area the share of the time spent in it; a grey ribbon is as wide as the jumps "
        f"between two states, both ways together (the widest {graph.widest:.2g} per "
        f"double step), and an arrow as the net current J on it.{cycle} Less than "
        f"{graph.thinnest:.2g} per double step is not drawn."
    )


def _odds(sigma: float) -> str:
    """What sigma is to who watches."""
    if not sigma < math.log(1e6):
        return "a film of it that ran backwards would be found out at once"
    factor = float(f"{math.exp(sigma):.2g}")
    return (
        "the odds that a film of it runs forwards and not backwards typically grow by "
        f"a factor of exp σ = {factor:,.{2 if factor < 10 else 0}f} a double step"
    )


def _on_cycle(graph: CycleGraph, start: int, end: int) -> bool:
    after = dict(zip(graph.cycle, [*graph.cycle[1:], *graph.cycle[:1]], strict=True))
    return after.get(start) == end
