"""The experiment on horizons: its ensembles, tables and figures."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from experiments.figures import save_figure
from experiments.horizon import page
from experiments.horizon.variance import relative_errors
from experiments.horizon.variants import (
    HORIZONS,
    controls,
    horizon_name,
    horizons,
    literal,
)
from experiments.report.document import Document
from experiments.report.tables import in_words
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run
from experiments.runs.diverged import sound_ensembles
from experiments.training.ceiling import ceiling
from experiments.training.settings import Settings
from experiments.training.study import Study

PAGE = "horizon.md"
"""The file of the tables."""

RESULTS = [
    PAGE,
    run_directory.REPORT,
    *run_directory.figure_files(("likelihood", "sigma")),
]

CAPTIONS = {
    "likelihood": "Log-likelihood L in training, for each number K of double steps "
    "that the gradient goes back: medians (thick) and quartiles of the models, and the "
    "ceiling of mixtures (dashed).",
    "sigma": "Final log-likelihood L against the entropy production rate σ, a point a "
    "model.",
}
"""Of the figures, by their names."""

BATCH = 256
"""Data points of the mini-batch at which estimates of the gradient are compared."""


def measure_horizons(study: Study, base: Settings, seed: int) -> None:
    """Train all ensembles and write `horizon.md` with its figures.

    **Arguments:** `base`, the settings that all share; `seed` of all ensembles.
    """
    train = study.train
    variants = [
        *horizons(base, seed),
        *literal(base, seed),
        *controls(base, seed, len(train.x)),
    ]
    sound, left_out = sound_ensembles(study.run(variants))
    runs = {name: found[0] for name, found in sound.items()}
    best = ceiling(train, base.units)
    names = [horizon_name(K) for K in HORIZONS]
    panels = {
        f"{norm}, exact score": {name: runs[f"{norm}-{name}"] for name in names}
        for norm in ("sigmoid", "softmax")
    }
    figures = study.out / run_directory.FIGURES
    for name, figure in (
        ("likelihood", page.likelihood_figure(panels, best)),
        ("sigma", page.sigma_figure(panels, best)),
    ):
        save_figure(figures, name, name.capitalize(), "", figure)

    softmax = runs[f"softmax-{horizon_name(0)}"]
    index = int(softmax.models["log_likelihood"].argmax())
    errors = relative_errors(softmax, index, train.x[:BATCH])
    seconds = sum(run.config["seconds"]["training"] for run in runs.values())
    sections = [
        f"Data: {train.name}, {len(train.x)} points to train on. {len(variants)} "
        f"ensembles of {base.models}, {seconds / 60:.0f} minutes of training. Ceiling: "
        f"{best:.2f} nats; the mark is {page.REACHED} below it, near is within "
        f"{page.NEAR}. Settings that all share: {in_words(asdict(base))}.",
        *left_out,
        page.horizon_table(runs, best),
        *(f"![{caption}](figures/{name}.png)" for name, caption in CAPTIONS.items()),
        "## Cycles",
        page.cycles_table(runs),
        "## Errors of single estimates",
        page.errors_table(errors),
    ]
    Document(
        name=PAGE,
        kicker="horizon",
        heading="How far back the gradient goes",
        answer=_answer(runs),
        sections=sections,
    ).write(study.out)


def _answer(runs: Mapping[str, Run]) -> str:
    """What the whole past gains over one double step, with either normalisation."""
    medians = {
        f"{norm}, {horizon or 'all'}": np.median(
            runs[f"{norm}-{horizon_name(horizon)}"].models["log_likelihood"]
        )
        for norm in ("sigmoid", "softmax")
        for horizon in (1, 0)
    }
    return (
        "Median L of models whose gradient goes back one double step, and all: "
        f"{medians['sigmoid, 1']:.2f} and {medians['sigmoid, all']:.2f} nats a point "
        f"with sigmoids, {medians['softmax, 1']:.2f} and {medians['softmax, all']:.2f} "
        "with the softmax."
    )
