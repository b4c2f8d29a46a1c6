"""The table and the figure of the experiment on deeper loops."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures.style import (
    LOG_LIKELIHOOD,
    THRESHOLD,
    TWO_COLUMNS,
    label_panels,
)
from experiments.report.tables import markdown_table
from experiments.runs.directory import Run
from nelc_jax.plot.style import STYLE

COLOURS = ("#332288", "#44AA99", "#CC6677")
"""Of the first, second and third hidden layer."""


def designs_table(runs: dict[str, Run], ceilings: dict[str, float]) -> str:
    """One row a design: best, median and worst of its models."""
    rows = {name: _row(run, ceilings.get(name)) for name, run in runs.items()}
    return markdown_table(rows, "Hidden layers")


def entropy_productions(run: Run) -> list[np.ndarray]:
    """sigma of each hidden layer in turn, of the models that finished."""
    names = [f"sigma_{k}" for k in range(1, 1 + len(run.config["layers"]))]
    return [finished(run, name) for name in names]


def finished(run: Run, name: str) -> np.ndarray:
    """A column of the models that did not go non-finite."""
    return run.models[name][run.models["frozen"] == 0]


def _row(run: Run, ceiling: float | None) -> dict[str, str]:
    train, held_out, tau = (
        finished(run, name)
        for name in ("log_likelihood", "held_out_log_likelihood", "relaxation_time")
    )
    sigma = entropy_productions(run)
    return {
        "K": str(len(run.config["layers"]) + 1),
        "parameters": str(run.config["parameters"]),
        "models": str(len(train)),
        "ceiling": "" if ceiling is None else f"{ceiling:.2f}",
        "L, best / median / worst": _three(train),
        "held out": _three(held_out),
        "sigma of each layer, median": ", ".join(
            f"{np.median(each):.3g}" for each in sigma
        ),
        "tau, median": f"{np.median(tau):.3g}",
    }


def _three(values: np.ndarray) -> str:
    three = values.max(), np.median(values), values.min()
    return " / ".join(f"{value:.2f}" for value in three)


@rc_context(STYLE)
def designs_figure(runs: dict[str, Run], ceilings: dict[str, float]) -> Figure:
    """Likelihood, entropy production of each layer and relaxation time of every model.

    Models stand side by side in the order of their likelihood.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 4.6), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    likelihood, production, time = panels
    for place, (name, run) in enumerate(runs.items()):
        found = finished(run, "log_likelihood")
        order = np.argsort(found)
        x = place + np.linspace(-0.3, 0.3, len(found))
        held_out = finished(run, "held_out_log_likelihood")[order]
        first = place == 0
        _points(likelihood, x, found[order], "k", "o", "trained on" * first)
        _points(
            likelihood, x, held_out, "k", "o", "held out" * first, facecolors="white"
        )
        if name in ceilings:
            likelihood.hlines(
                ceilings[name], place - 0.42, place + 0.42, color="0.4", linewidth=0.8
            )
        for layer, sigma in enumerate(entropy_productions(run)):
            _points(production, x, sigma[order], COLOURS[layer], "os^"[layer])
        _points(time, x, finished(run, "relaxation_time")[order], "k", "o")
    for axes in (production, time):
        axes.set_yscale("log")
    for axes in panels:
        for edge in np.arange(len(runs) - 1) + 0.5:
            axes.axvline(edge, **THRESHOLD | {"linewidth": 0.3})
    deepest = max(len(run.config["layers"]) for run in runs.values())
    for layer in range(deepest):
        _points(production, [], [], COLOURS[layer], "os^"[layer], f"$z_{layer + 1}$")
    for axes in (likelihood, production):
        # Above the panel, where no point is.
        axes.legend(
            frameon=False,
            ncols=3,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderaxespad=0,
            handletextpad=0.1,
        )
    likelihood.set_ylabel(LOG_LIKELIHOOD)
    production.set_ylabel(r"$\sigma$ (nats per turn)")
    time.set_ylabel(r"$\tau$ (turns)")
    time.set_xticks(range(len(runs)), ["\n".join(n.rsplit(" ", 1)) for n in runs])
    time.tick_params(axis="x", length=0)
    label_panels(panels)
    return figure


def _points(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    colour: str,
    marker: str,
    label: str = "",
    facecolors: str | None = None,
):
    axes.scatter(
        x,
        y,
        s=10,
        marker=marker,
        facecolors=facecolors or colour,
        edgecolors=colour,
        linewidths=0.6,
        label=label or None,
        zorder=2.5,
    )
