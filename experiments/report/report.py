"""The report of a run: one HTML file that holds everything and opens offline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from experiments.figures import SavedFigure, by_likelihood
from experiments.report.cycles import dominant_cycles
from experiments.report.numbers import quantiles, typeset
from experiments.report.page import write_page
from experiments.report.quantities import QUANTITIES, quantities_of
from experiments.runs.directory import Run

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
        quartiles=[
            (QUANTITIES[name], quantiles(run.models[name]))
            for name in SUMMARISED
            if name in run.models
        ],
        figures=figures,
        cycles=dominant_cycles(run),
        classes="classes" in run.arrays,
        quantities=quantities_of(run),
        rows=list(zip(*run.models.values(), strict=True)),
        config=run.config,
    )


def _headline(run: Run) -> list[tuple[str, str, str]]:
    """Label, value, and unit or more words, of the numbers to read first."""
    best = int(by_likelihood(run)[0])
    count = len(run.models["model"])
    num_states = run.arrays["latent_kernel"].shape[-1]
    fewer = int(np.sum(run.models["mean_self_transition"] < 1 / num_states))
    medians = [
        (
            Markup("median {}").format(QUANTITIES[name].symbol),
            typeset(quantiles(run.models[name])[2], name),
            QUANTITIES[name].unit,
        )
        for name in ("log_likelihood", "entropy_production_rate", "relaxation_time")
    ]
    return [
        (
            Markup("best <i>L</i>"),
            typeset(run.models["log_likelihood"][best], "log_likelihood"),
            f"nats, model {run.models['model'][best]}",
        ),
        *medians,
        (
            Markup("self-transition below 1/<i>S</i>"),
            f"{fewer} of {count}",
            Markup("models; <i>S</i> = {} latent states").format(num_states),
        ),
    ]
