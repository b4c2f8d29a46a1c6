"""The tables and the figure of the study."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from scipy import stats

from experiments.advantage.cells import Found, Plan
from experiments.advantage.sweep import bracketed, seconds
from experiments.figures import save_figure
from experiments.figures.style import ONE_COLUMN, label_panels
from experiments.report.document import Document
from experiments.report.tables import in_words, markdown_table
from experiments.runs import directory as run_directory
from experiments.runs.files import write_table
from experiments.training.study import Study
from nelc_jax.plot.style import STYLE

PAGE, TABLE, FIGURE = "advantage.md", "advantage.csv", "advantage"

RESULTS = [PAGE, run_directory.REPORT, TABLE, *run_directory.figure_files((FIGURE,))]

HEAD = """\
Log-likelihoods in nats a point, exact up to 8 latent units (of cycles with the p_bar of
M averaged over draws). Each method is at the learning rate whose median model is best
on the data; a rate with a star had none tried on one of its sides. Intervals are 95 %
of the mean over models (Student's t); differences are those from the first row of the
same size, model by model. Milliseconds are processor time of a gradient step and a
model, without compilation."""

ABOUT_SAMPLING = """\
## Chains

Medians over the models above. Times are those in which the share of the slowest class
of drawn points becomes independent, in double steps, which cost the same in all chains
of one size; without currents: of the reversible chain with the same p_bar and the same
traffic between states."""

ABOUT_LENGTHS = """\
## Time

The same with other numbers of steps, each with rates of its own. Seconds are processor
time of a model."""

CAPTION = (
    "Log-likelihood on held-out points, means over models with 95 % intervals: (a) "
    "against the number of latent units, (b) against processor time."
)
"""Of the figure."""

MARKS = (
    *(("#000000", "o"), ("#E69F00", "s"), ("#0072B2", "^"), ("#D55E00", "v")),
    *(("#009E73", "D"), ("#CC79A7", "<"), ("#56B4E9", ">"), ("0.5", "x")),
    *(("0.5", "+"), ("0.7", "*")),
)
"""Colours of Okabe and Ito and greys, and a marker for each."""


def write_results(found: list[Found], plan: Plan, study: Study) -> None:
    """Write the tables and the figure."""
    num_visible = study.train.x.shape[1]
    write_table(study.out / TABLE, csv_columns(found, num_visible))
    figure = likelihood_figure(found, plan)
    save_figure(study.out / run_directory.FIGURES, FIGURE, "Likelihood", "", figure)
    full = [one for one in found if one.cell.lesson == plan.lesson]
    sections = [
        HEAD,
        f"Data: {study.train.name}, {len(study.train.x)} points to train on and "
        f"{len(study.held_out.x)} held out, of {num_visible} bits. What all share: "
        f"{in_words(asdict(plan.lesson))}.",
        likelihood_table(full, num_visible),
        f"![{CAPTION}](figures/{FIGURE}.png)",
        ABOUT_SAMPLING,
        sampling_table(full),
        ABOUT_LENGTHS,
        lengths_table([one for one in found if one.cell.units == plan.timed]),
    ]
    Document(
        name=PAGE,
        kicker="advantage",
        heading="Latent cycles beside RBMs and belief networks",
        answer=_answer(full),
        sections=sections,
    ).write(study.out)


def _answer(full: list[Found]) -> str:
    """The best method of each size on held-out points."""
    winners = {}
    for one in full:
        mean, _ = interval(one.best.held_out)
        units = one.cell.units
        if units not in winners or mean > winners[units][1]:
            winners[units] = one.cell.name, mean
    best = "; ".join(
        f"with L = {units} {name}, {mean:.2f} nats"
        for units, (name, mean) in sorted(winners.items())
    )
    return f"The highest mean log-likelihood on held-out points: {best}."


def interval(values: np.ndarray) -> tuple[float, float]:
    """The mean over models that are finite, and half of its 95 % interval."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return float(values.mean()) if len(values) else float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(values.mean()), float(half)


def likelihood_table(found: list[Found], num_visible: int) -> str:
    """One row a method and size."""
    rows, reference = {}, {}
    for one in sorted(found, key=lambda one: one.cell.units):
        cell, best = one.cell, one.best
        first = reference.setdefault(cell.units, best)
        difference = ""
        if first is not best:
            difference = _with_half(*interval(best.held_out - first.held_out), "+")
        rows[f"{cell.name}, L = {cell.units}"] = {
            "parameters": f"{cell.method.parameters(num_visible, cell.units)}",
            "double steps": f"{cell.method.double_steps or 'exact'}",
            "ms": f"{1000 * seconds(one.parts) / cell.lesson.steps:.2f}",
            "rate": f"{best.rate:g}{'' if bracketed(one.parts) else '*'}",
            "data, median": f"{best.score:.2f}",
            "data, best": f"{np.nanmax(best.log_likelihood):.2f}",
            "held out": _with_half(*interval(best.held_out)),
            "difference": difference,
        }
    return markdown_table(rows, "Method")


def sampling_table(found: list[Found]) -> str:
    """One row a method and size with a chain whose M is known."""
    names = {
        "entropy_production_rate": "sigma",
        "relaxation_time": "tau",
        "mean_self_transition": "self-transition",
        "kl": "KL of classes",
        "time": "time",
        "time_reversible": "without currents",
    }
    rows = {}
    for one in sorted(found, key=lambda one: one.cell.units):
        if one.sampling:
            rows[f"{one.cell.name}, L = {one.cell.units}"] = {
                words: f"{np.nanmedian(one.sampling[name]):.3g}"
                for name, words in names.items()
                if name in one.sampling
            }
    return markdown_table(rows, "Chain of")


def lengths_table(found: list[Found]) -> str:
    """One row a method: seconds a model, and what it reached, for each length."""
    rows: dict[str, dict[str, str]] = {}
    for one in sorted(found, key=lambda one: one.cell.lesson.steps):
        steps = one.cell.lesson.steps
        rows.setdefault(one.cell.name, {}).update(
            {
                f"s, {steps} steps": f"{seconds(one.parts):.1f}",
                "held out" + f", {steps}": _with_half(*interval(one.best.held_out)),
            }
        )
    return markdown_table(rows, "Method")


def csv_columns(found: list[Found], num_visible: int) -> dict[str, np.ndarray]:
    """One row a model of every part."""
    rows = [
        {
            "method": one.cell.name,
            "units": one.cell.units,
            "parameters": one.cell.method.parameters(num_visible, one.cell.units),
            "double_steps": one.cell.method.double_steps,
            "steps": one.cell.lesson.steps,
            "learning_rate": part.rate,
            "best_rate": int(part is one.best),
            "seconds": part.seconds,
            "model": model,
            "log_likelihood": part.log_likelihood[model],
            "held_out_log_likelihood": part.held_out[model],
        }
        for one in found
        for part in one.parts
        for model in range(len(part.held_out))
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@rc_context(STYLE)
def likelihood_figure(found: list[Found], plan: Plan) -> Figure:
    """Held-out likelihood (a) against latent units and (b) against time."""
    figure = Figure(figsize=(ONE_COLUMN, 4.6), layout="constrained")
    panels = figure.subplots(2, 1)
    label_panels(panels)
    names = list(dict.fromkeys(one.cell.name for one in found))
    of_size = [one for one in found if one.cell.lesson == plan.lesson]
    of_length = [one for one in found if one.cell.units == plan.timed]
    for name, (colour, marker) in zip(names, MARKS, strict=False):
        style = {"color": colour, "marker": marker, "label": name}
        units = [(f.cell.units, f) for f in of_size if f.cell.name == name]
        times = [(seconds(f.parts), f) for f in of_length if f.cell.name == name]
        _draw(panels[0], units, style)
        _draw(panels[1], times, style)
    panels[0].set_xlabel("latent units $L$")
    panels[1].set_xlabel(f"processor time of a model with $L = {plan.timed}$ (s)")
    panels[0].set_xticks(sorted({one.cell.units for one in of_size}))
    panels[1].set_xscale("log")
    panels[1].xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    panels[1].xaxis.set_major_formatter("{x:g}")
    panels[1].xaxis.set_minor_locator(NullLocator())
    for axes in panels:
        axes.set_ylabel("held out (nats)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw(axes: Axes, points: Sequence[tuple[float, Found]], style: dict) -> None:
    """Means over models with their intervals, a line through them."""
    if not points:
        return
    points = sorted(points, key=lambda point: point[0])
    means, halves = zip(*(interval(f.best.held_out) for _, f in points), strict=True)
    axes.errorbar(
        [place for place, _ in points],
        means,
        np.nan_to_num(halves),
        markersize=3,
        linewidth=0.8,
        elinewidth=0.6,
        **style,
    )


def _with_half(mean: float, half: float, sign: str = "") -> str:
    return f"{mean:{sign}.2f} ± {half:.2f}"
