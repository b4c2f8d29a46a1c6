"""The experiment on horizons: its ensembles, tables and figures."""

from dataclasses import asdict

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
from experiments.report.tables import in_words
from experiments.runs import directory as run_directory
from experiments.runs.diverged import sound_ensembles
from experiments.runs.files import write_text
from experiments.training.ceiling import ceiling
from experiments.training.settings import Settings
from experiments.training.study import Study

PAGE = "horizon.md"
"""The file of the tables."""

RESULTS = [PAGE, *run_directory.figure_files(("likelihood", "sigma"))]

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
        "# Horizons: tables",
        f"Data: {train.name}, {len(train.x)} points to train on. {len(variants)} "
        f"ensembles of {base.models}, {seconds / 60:.0f} minutes of training. Ceiling: "
        f"{best:.2f} nats; the mark is {page.REACHED} below it, near is within "
        f"{page.NEAR}. Settings that all share: {in_words(asdict(base))}.",
        *left_out,
        page.horizon_table(runs, best),
        "## Cycles",
        page.cycles_table(runs),
        "## Errors of single estimates",
        page.errors_table(errors),
    ]
    write_text(study.out / PAGE, "\n\n".join(sections) + "\n")
