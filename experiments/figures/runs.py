"""Several runs in one figure: training, and what came of it."""

from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure

from experiments.figures.style import (
    LOG_LIKELIHOOD,
    SIGMA,
    TWO_COLUMNS,
    add_legend,
    draw_points,
    fit_limits,
    label_panels,
    mark_beyond,
)
from experiments.runs.directory import Run
from nelc_jax.plot.style import COLOURS, STYLE

QUARTILES = [0.25, 0.5, 0.75]

MOST_RUNS = len(COLOURS)
"""Runs that have colours of their own."""


@rc_context(STYLE)
def runs_figure(runs: Mapping[str, Run]) -> Figure:
    """(a) L against the epoch, median and quartiles of each run; (b) final L and σ.

    Panel (a) begins where the slowest run has left a tenth of its way.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    label_panels([left, right])
    colours = to_rgba_array(COLOURS[: len(runs)])
    shown = []
    for (name, run), colour in zip(runs.items(), colours, strict=True):
        epochs, values = run.over_epochs("log_likelihood")
        low, median, high = np.quantile(values, QUARTILES, axis=0)
        left.plot(epochs, median, color=colour, label=name)
        left.fill_between(epochs, low, high, color=colour, alpha=0.25, linewidth=0)
        late = median >= median[0] + 0.9 * (median[-1] - median[0])
        shown.append((epochs[late], np.concatenate([low[late], high[late]])))
    fit_limits(left, *(np.concatenate(parts) for parts in zip(*shown, strict=True)))
    left.set(xlabel="epoch", ylabel=LOG_LIKELIHOOD)
    left.set_xlim(left=0)

    ends = [
        np.stack([run.models["entropy_production_rate"], run.models["log_likelihood"]])
        for run in runs.values()
    ]
    sigma, likelihood = np.concatenate(ends, axis=1)
    fit_limits(right, sigma, likelihood)
    for end, colour in zip(ends, colours, strict=True):
        draw_points(right, end[0], end[1], np.tile(colour, (end.shape[1], 1)))
    owner = np.repeat(np.arange(len(ends)), [end.shape[1] for end in ends])
    mark_beyond(right, sigma, likelihood, colours[owner])
    right.set(xlabel=SIGMA, ylabel=LOG_LIKELIHOOD)
    add_legend(figure, left)
    return figure
