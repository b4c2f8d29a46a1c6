"""The report of a run: one HTML file that holds everything and opens offline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from experiments.figures import (
    SavedFigure,
    by_likelihood,
    enumerated,
    shows_cycle,
)
from experiments.figures.ensemble import undrawn_kl
from experiments.report.cycles import dominant_cycles
from experiments.report.numbers import quantiles, rounded, typeset
from experiments.report.page import write_page
from experiments.report.quantities import ERROR, QUANTITIES, quantities_of
from experiments.runs.directory import Run
from experiments.runs.diverged import diverged_in, left_out, sound

SUMMARISED = (
    "log_likelihood",
    "entropy_production_rate",
    "relaxation_time",
    "mean_self_transition",
    "kl_divergence",
)


def write_report(run: Run, figures: Sequence[SavedFigure], path: Path) -> None:
    """Write the report of a run with its figures inside, and no reference outside."""
    count = len(run.models["model"])
    models = "1 model" if count == 1 else f"{count} models"
    write_page(
        path,
        "report/run.html.jinja",
        kicker="Nonequilibrium latent cycles",
        heading=f"{models} of {run.config.get('dataset', 'unnamed data')}",
        models=run.models,
        headline=_headline(run),
        remarks=_remarks(run),
        quartiles=[
            (QUANTITIES[name], quantiles(sound(run).models[name]))
            for name in SUMMARISED
            if name in run.models
        ],
        currents=[figure for figure in figures if shows_cycle(figure)],
        figures=[figure for figure in figures if not shows_cycle(figure)],
        cycles=dominant_cycles(run),
        sampled=None if enumerated(run) else run.latent,
        classes="classes" in run.arrays,
        quantities=quantities_of(run),
        rows=_rows(run),
        config=run.config,
    )


@dataclass(frozen=True)
class Cell:
    """A number of the table of models: to sort by, and as it is read."""

    value: float
    text: str
    error: str


def _rows(run: Run) -> list[tuple[bool, list[Cell]]]:
    """Whether a model has diverged, and its cells, one a quantity."""
    columns = [_cells(run, q.name) for q in quantities_of(run)]
    rows = map(list, zip(*columns, strict=True))
    return list(zip(diverged_in(run) > 0, rows, strict=True))


def _cells(run: Run, name: str) -> list[Cell]:
    values = run.models[name]
    errors = run.models.get(f"{name}{ERROR}")
    if errors is None:
        return [Cell(value, typeset(value, name), "") for value in values]
    return [
        Cell(value, *rounded(value, error))
        for value, error in zip(values, errors, strict=True)
    ]


def _remarks(run: Run) -> list[str]:
    """What a reader of the numbers must know: models left out, a divergence of none."""
    reason = undrawn_kl(run) if "kl_divergence" in run.models else None
    return [
        *filter(None, [left_out(run)]),
        *([f"Of the divergence KL of the classes: {reason}."] if reason else []),
    ]


def _headline(run: Run) -> list[tuple[str, str, str]]:
    """Label, value, and unit or more words, of the numbers to read first."""
    ranking, models = by_likelihood(run), sound(run).models
    count = len(ranking)
    best = [
        (
            Markup("best <i>L</i>"),
            typeset(float(run.models["log_likelihood"][row]), "log_likelihood"),
            f"nats, model {run.models['model'][row]}",
        )
        for row in ranking[:1].tolist()
    ]
    medians = [
        (
            Markup("median {}").format(QUANTITIES[name].symbol),
            typeset(quantiles(models[name])[2], name),
            QUANTITIES[name].unit,
        )
        for name in ("log_likelihood", "entropy_production_rate", "relaxation_time")
        if name in run.models
    ]
    found: list[tuple[str, str, str]] = [
        *best,
        *medians,
    ]
    if enumerated(run):
        num_states = run.arrays["latent_kernel"].shape[-1]
        fewer = int(np.sum(models["mean_self_transition"] < 1 / num_states))
        found.append(
            (
                Markup("self-transition below 1/<i>S</i>"),
                f"{fewer} of {count}",
                Markup("models; <i>S</i> = {} latent states").format(num_states),
            )
        )
    return found
