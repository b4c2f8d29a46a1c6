"""The tables and figures of the experiment on horizons."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.figures.style import LOG_LIKELIHOOD, SIGMA, STYLE, TWO_COLUMNS
from experiments.horizon.cycle_types import cycle_types, random_permutations
from experiments.runs.directory import Run

REACHED = 1.18
"""Nats below the ceiling where the steps are counted: -147.5 on the paper's data."""

NEAR = 1.0
"""Nats below the ceiling within which a model has found the best optimum."""

COLOURS = ("#440154", "#3B528B", "#21918C", "#5DC863", "#D95F02")


def horizon_table(runs: dict[str, Run], ceiling: float) -> str:
    """One row an ensemble: where training came to, how fast, and by which kernels."""
    lines = [
        "| Ensemble | best L | upper quartile | median | near the ceiling | spread of "
        "these | steps to the mark | that reach it | sigma, quartiles | tau, upper "
        "quartile | self-transition, median | KL, median |",
        "| --- |" + " --- |" * 11,
    ]
    for group, run in runs.items():
        models = run.models
        likelihood = models["log_likelihood"]
        near = likelihood > ceiling - NEAR
        spread = f"{likelihood[near].std():.2f}" if near.any() else ""
        steps = steps_to(run, ceiling - REACHED)
        reached = np.isfinite(steps)
        median = f"{np.median(steps[reached]):.0f}" if reached.any() else ""
        sigma = np.quantile(models["entropy_production_rate"], (0.25, 0.5, 0.75))
        tau = np.quantile(np.minimum(models["relaxation_time"], 1e6), 0.75)
        kl = models.get("kl_divergence", np.array([np.nan]))
        lines.append(
            f"| {group} | {likelihood.max():.2f} | {np.quantile(likelihood, 0.75):.2f} "
            f"| {np.median(likelihood):.2f} | {near.mean():.0%} | {spread} "
            f"| {median} | {reached.mean():.0%} "
            f"| {sigma[0]:.1f}, {sigma[1]:.1f}, {sigma[2]:.1f} | {tau:.3g} "
            f"| {np.median(models['mean_self_transition']):.3f} "
            f"| {np.median(kl):.2g} |"
        )
    return "\n".join(lines)


def cycles_table(runs: dict[str, Run]) -> str:
    """Which maps the likeliest successors make, and what chance would make."""
    lines = [
        "| Ensemble | permutations | of these a single cycle | with a fixed state |",
        "| --- | --- | --- | --- |",
    ]
    size = next(iter(runs.values())).arrays["latent_kernel"].shape[-1]
    found = {name: cycle_types(r.arrays["latent_kernel"]) for name, r in runs.items()}
    for name, types in (found | {"random maps": random_permutations(size)}).items():
        of_these = (
            f"{types.single:.0%} | {types.fixed:.0%}" if types.permutations else " | "
        )
        lines.append(f"| {name} | {types.permutations:.0%} | {of_these} |")
    return "\n".join(lines)


def errors_table(errors: dict[str, tuple[float, float]]) -> str:
    """Relative errors of single estimates of the gradient."""
    lines = ["| Estimate | error of w | error of w_bar |", "| --- | --- | --- |"]
    lines += [f"| {name} | {w:.2f} | {b:.2f} |" for name, (w, b) in errors.items()]
    return "\n".join(lines)


def steps_to(run: Run, mark: float) -> np.ndarray:
    """Gradient steps after which each model's likelihood first exceeds `mark`, or inf.

    Known to an epoch.
    """
    epochs, likelihood = _histories(run)
    above = likelihood > mark
    first = epochs[above.argmax(axis=1)] * run.config["steps_per_epoch"]
    return np.where(above.any(axis=1), first, np.inf)


@rc_context(STYLE)
def likelihood_figure(panels: dict[str, dict[str, Run]], ceiling: float) -> Figure:
    """Median (thick) and quartiles of the likelihood, a colour a horizon."""
    figure = Figure(figsize=(TWO_COLUMNS, 2.5), layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, runs) in zip(all_axes, panels.items(), strict=True):
        for colour, (name, run) in zip(COLOURS, runs.items(), strict=False):
            epochs, likelihood = _histories(run)
            steps = epochs * run.config["steps_per_epoch"]
            low, middle, high = np.quantile(likelihood, (0.25, 0.5, 0.75), axis=0)
            for quartile in (low, high):
                axes.plot(steps, quartile, color=colour, linewidth=0.5, alpha=0.7)
            axes.plot(steps, middle, color=colour, linewidth=1.2, label=name)
        axes.axhline(ceiling, color="0.4", linewidth=0.8, dashes=(4, 2.5))
        axes.set_ylim(ceiling - 8, ceiling + 0.5)
        axes.set_title(title)
        axes.set_xlabel("gradient step")
    all_axes[0].set_ylabel(LOG_LIKELIHOOD)
    _add_legend(figure)
    return figure


@rc_context(STYLE)
def sigma_figure(panels: dict[str, dict[str, Run]], ceiling: float) -> Figure:
    """(sigma, L) of every model, a colour a horizon, a panel a family."""
    figure = Figure(figsize=(TWO_COLUMNS, 2.5), layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, runs) in zip(all_axes, panels.items(), strict=True):
        for colour, (name, run) in zip(COLOURS, runs.items(), strict=False):
            axes.plot(
                run.models["entropy_production_rate"],
                run.models["log_likelihood"],
                "o",
                markersize=2.4,
                color=colour,
                alpha=0.75,
                label=name,
            )
        axes.axhline(ceiling, color="0.4", linewidth=0.8, dashes=(4, 2.5))
        axes.set_xlim(left=0)
        axes.set_title(title)
        axes.set_xlabel(SIGMA)
    all_axes[0].set_ylabel(LOG_LIKELIHOOD)
    _add_legend(figure)
    return figure


def _add_legend(figure: Figure):
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False
    )


def _histories(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The epochs, and the likelihood of each model (row) after each of them."""
    history = run.history
    epochs = np.unique(history["epoch"])
    order = np.lexsort((history["epoch"], history["model"]))
    return epochs, history["log_likelihood"][order].reshape(-1, len(epochs))
