"""The command line of the experiment on deeper loops."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from experiments.command.devices import check_devices, use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.options import RunOptions, check_seed, parse
from experiments.command.parser import TRAINING
from experiments.command.programs import keep_programs
from experiments.command.settings_file import settings_text
from experiments.data.datasets import load_split
from experiments.figures import save_figure
from experiments.loops import page
from experiments.loops.designs import designs
from experiments.loops.ensembles import FALL, QUICK, LoopSettings, run_design
from experiments.report.document import Document
from experiments.report.tables import in_words
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run
from experiments.runs.lock import claimed
from experiments.training.ceiling import ceiling
from experiments.training.study import Study
from nelc_jax import OneHot

PAGE = "loops.md"
"""The file of the table."""

CAPTION = (
    "Every model, in the order of its likelihood: (a) likelihood of the points trained "
    "on and held out, with the ceiling (grey), (b) entropy production rate of each "
    "hidden layer, (c) relaxation time, that of every layer."
)
"""Of the figure."""

RESULTS = [PAGE, run_directory.REPORT, *run_directory.figure_files(("loops",))]


@dataclass(frozen=True, kw_only=True)
class Loops:
    """Train loops of depth 2, 3 and 4 with as many parameters, eight models each.

    Layers are one-hot or binary, as wide as each other or narrow where x enters. Writes
    a directory an ensemble below --out, and report.html and loops.md. Give the same
    --out again to go on after an interruption.
    """

    run: RunOptions
    quick: Annotated[bool, TRAINING] = False
    """A small version of three of them: to try it, not to judge by it."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Loops, "loops", arguments)
    out, seed = options.run.out, options.run.seed
    check_seed(seed)
    keep_programs(not options.run.no_cache)
    check_devices()
    train, held_out = load_split(options.run.dataset, options.run.data_dir)
    settings = QUICK if options.quick else LoopSettings()
    study = Study(train, held_out, out)
    config = study.describe("loops", options)
    with claimed(out, config, RESULTS, settings_text(options, "loops")):
        compare_designs(study, settings, seed, options.quick)
    print(f"see {out / run_directory.REPORT}")
    return out


def compare_designs(
    study: Study, settings: LoopSettings, seed: int, quick: bool
) -> None:
    """Train all designs, and write `loops.md` with its figure."""
    train, runs, ceilings = study.train, {}, {}
    compared = designs(settings.units, quick)
    for design in compared:
        out = study.out / design.name.replace(" ", "-")
        runs[design.name] = run_design(
            design, settings, train, study.held_out, seed, out
        )
    widths = {
        design.name: design.layers[-1].num_units
        for design in compared
        if isinstance(design.layers[-1], OneHot)
    }
    best = {width: ceiling(train, width) for width in sorted(set(widths.values()))}
    ceilings = {name: best[width] for name, width in widths.items()}
    figure = page.designs_figure(runs, ceilings)
    figures = study.out / run_directory.FIGURES
    save_figure(figures, "loops", "Deeper loops", "", figure)
    sections = [
        f"Data: {train.name}, {len(train.x)} points to train on, "
        f"{len(study.held_out.x)} held out. "
        "Ceiling: the best mixture of as many components as the last layer has states, "
        "where it is one-hot. Learning rates fall exponentially to "
        f"{FALL:g} of their first value. Settings that all share: "
        f"{in_words(asdict(settings))}.",
        page.designs_table(runs, ceilings),
        f"![{CAPTION}](figures/loops.png)",
    ]
    Document(
        name=PAGE,
        kicker="loops",
        heading="Deeper loops",
        answer=_answer(runs),
        sections=sections,
    ).write(study.out)


def _answer(runs: Mapping[str, Run]) -> str:
    """The design of the best median on held-out points, and the shallowest."""
    medians = {
        name: np.median(page.finished(run, "held_out_log_likelihood"))
        for name, run in runs.items()
    }
    first, best = next(iter(medians)), max(medians, key=medians.__getitem__)
    others = "" if best == first else f"; {first} has {medians[first]:.2f}"
    return (
        f"Of designs with as many parameters, {best} has the highest median "
        f"log-likelihood on held-out points, {medians[best]:.2f} nats{others}."
    )


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: on all cores, errors in one line."""
    use_all_cores()
    main(arguments)
