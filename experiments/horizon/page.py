"""The tables and figures of the experiment on horizons."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures.style import (
    LOG_LIKELIHOOD,
    SIGMA,
    THRESHOLD,
    TWO_COLUMNS,
    add_legend,
)
from experiments.horizon.cycle_types import cycle_types, random_permutations
from experiments.report.tables import markdown_table
from experiments.runs.directory import Run
from nelc_jax.plot.style import STYLE

REACHED = 1.18
"""Nats below the ceiling where the steps are counted: -147.5 on the paper's data."""

NEAR = 1.0
"""Nats below the ceiling within which a model has found the best optimum."""

COLOURS = ("#440154", "#3B528B", "#21918C", "#5DC863", "#D95F02")


def horizon_table(runs: dict[str, Run], ceiling: float) -> str:
    """One row an ensemble: where training came to, how fast, and by which kernels."""
    rows = {group: _horizon_row(run, ceiling) for group, run in runs.items()}
    return markdown_table(rows, "Ensemble")


def _horizon_row(run: Run, ceiling: float) -> dict[str, str]:
    models = run.models
    likelihood = models["log_likelihood"]
    near = likelihood > ceiling - NEAR
    steps = steps_to(run, ceiling - REACHED)
    reached = np.isfinite(steps)
    sigma = np.quantile(models["entropy_production_rate"], (0.25, 0.5, 0.75))
    tau = np.quantile(np.minimum(models["relaxation_time"], 1e6), 0.75)
    kl = models.get("kl_divergence", np.nan)
    return {
        "best L": f"{likelihood.max():.2f}",
        "upper quartile": f"{np.quantile(likelihood, 0.75):.2f}",
        "median": f"{np.median(likelihood):.2f}",
        "near the ceiling": f"{near.mean():.0%}",
        "spread of these": f"{likelihood[near].std():.2f}" if near.any() else "",
        "steps to the mark": f"{np.median(steps[reached]):.0f}"
        if reached.any()
        else "",
        "that reach it": f"{reached.mean():.0%}",
        "sigma, quartiles": ", ".join(f"{value:.1f}" for value in sigma),
        "tau, upper quartile": f"{tau:.3g}",
        "self-transition, median": f"{np.median(models['mean_self_transition']):.3f}",
        "KL, median": f"{np.median(kl):.2g}",
    }


def cycles_table(runs: dict[str, Run]) -> str:
    """Which maps the likeliest successors make, and what chance would make."""
    kernels = {name: run.arrays["latent_kernel"] for name, run in runs.items()}
    size = next(iter(kernels.values())).shape[-1]
    found = {name: cycle_types(each) for name, each in kernels.items()}
    rows = {}
    for name, types in (found | {"random maps": random_permutations(size)}).items():
        known = bool(types.permutations)
        rows[name] = {
            "permutations": f"{types.permutations:.0%}",
            "of these a single cycle": f"{types.single:.0%}" if known else "",
            "with a fixed state": f"{types.fixed:.0%}" if known else "",
        }
    return markdown_table(rows, "Ensemble")


def errors_table(errors: dict[str, tuple[float, float]]) -> str:
    """Relative errors of single estimates of the gradient."""
    rows = {
        name: {"error of w": f"{w:.2f}", "error of w_bar": f"{w_bar:.2f}"}
        for name, (w, w_bar) in errors.items()
    }
    return markdown_table(rows, "Estimate")


def steps_to(run: Run, mark: float) -> np.ndarray:
    """Gradient steps after which each model's likelihood first exceeds `mark`, or inf.

    Known to an epoch.
    """
    steps, likelihood = _likelihoods(run)
    above = likelihood > mark
    return np.where(above.any(axis=1), steps[above.argmax(axis=1)], np.inf)


def likelihood_figure(panels: dict[str, dict[str, Run]], ceiling: float) -> Figure:
    """Median (thick) and quartiles of the likelihood, a colour a horizon."""

    def draw(axes: Axes, run: Run, **style: Any):
        steps, likelihood = _likelihoods(run)
        low, middle, high = np.quantile(likelihood, (0.25, 0.5, 0.75), axis=0)
        for quartile in (low, high):
            axes.plot(steps, quartile, color=style["color"], linewidth=0.5, alpha=0.7)
        axes.plot(steps, middle, linewidth=1.2, **style)

    figure = _draw_panels(panels, ceiling, draw, "gradient step")
    # The axis is that of all panels.
    figure.axes[0].set_ylim(ceiling - 8, ceiling + 0.5)
    return figure


def sigma_figure(panels: dict[str, dict[str, Run]], ceiling: float) -> Figure:
    """(sigma, L) of every model, a colour a horizon, a panel a family."""

    def draw(axes: Axes, run: Run, **style: Any):
        sigma = run.models["entropy_production_rate"]
        likelihood = run.models["log_likelihood"]
        axes.plot(sigma, likelihood, "o", markersize=2.4, alpha=0.75, **style)

    figure = _draw_panels(panels, ceiling, draw, SIGMA)
    for axes in figure.axes:
        axes.set_xlim(left=0)
    return figure


@rc_context(STYLE)
def _draw_panels(
    panels: dict[str, dict[str, Run]],
    ceiling: float,
    draw: Callable[..., None],
    label: str,
) -> Figure:
    """Likelihoods of the runs of each panel by `draw(axes, run, color=, label=)`."""
    figure = Figure(figsize=(TWO_COLUMNS, 2.5), layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, runs) in zip(all_axes, panels.items(), strict=True):
        for colour, (name, run) in zip(COLOURS, runs.items(), strict=False):
            draw(axes, run, color=colour, label=name)
        axes.axhline(ceiling, **THRESHOLD)
        axes.set_title(title)
        axes.set_xlabel(label)
    all_axes[0].set_ylabel(LOG_LIKELIHOOD)
    add_legend(figure, all_axes[-1])
    return figure


def _likelihoods(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The gradient steps done, and the likelihood of each model (row) after these."""
    epochs, likelihood = run.over_epochs("log_likelihood")
    return epochs * run.config["steps_per_epoch"], likelihood
