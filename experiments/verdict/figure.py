"""The clusters of models: likelihood and evenness against entropy production."""

from collections import Counter

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures.style import (
    LOG_LIKELIHOOD,
    SIGMA,
    TWO_COLUMNS,
    label_panels,
)
from experiments.verdict.members import Members
from nelc_jax.plot.style import STYLE

MARKS = (
    *(("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^")),
    *(("#CC79A7", "v"), ("#D55E00", "D"), ("#56B4E9", "<")),
)
"""Colours of Okabe and Ito, and a marker for each."""

OTHERS = "others"


@rc_context(STYLE)
def clusters_figure(members: Members) -> Figure:
    """L (a) and the evenness of p_bar (b) against sigma, marked by the pattern.

    Of data without labels the models have one mark.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 2.6), layout="constrained")
    panels = figure.subplots(1, 2)
    label_panels(panels)
    for axes, column, label in (
        (panels[0], "log_likelihood", LOG_LIKELIHOOD),
        (panels[1], "evenness", r"$H(\bar p)\,/\,\ln L$"),
    ):
        _draw(axes, members, column)
        axes.set_xlabel(SIGMA)
        axes.set_ylabel(label)
    handles, labels = panels[0].get_legend_handles_labels()
    if "pattern" in members:
        figure.legend(
            handles,
            labels,
            title="states of each class: models",
            loc="outside right center",
            frameon=False,
        )
    return figure


def _draw(axes: Axes, members: Members, column: str) -> None:
    count = len(members["sigma"])
    names = members.get("pattern", np.full(count, ""))
    frequent = [name for name, _ in Counter(names).most_common(len(MARKS))]
    shown = {name: names == name for name in frequent}
    rest = ~np.isin(names, frequent)
    marks: dict[str, tuple[str, str]] = dict(zip(frequent, MARKS, strict=False))
    if rest.any():
        shown[OTHERS], marks[OTHERS] = rest, ("0.35", "x")
    for name, which in shown.items():
        colour, marker = marks[name]
        axes.plot(
            members["sigma"][which],
            members[column][which],
            marker,
            color=colour,
            markersize=2.4,
            markeredgewidth=0.5 if name == OTHERS else 0,
            alpha=0.7,
            label=f"{name}: {which.sum()}",
        )
