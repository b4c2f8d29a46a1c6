"""The command line of the study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.advantage.cells import Plan, train_cells
from experiments.advantage.page import RESULTS, write_results
from experiments.advantage.parts import Lesson
from experiments.command.devices import check_devices, use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.options import (
    RunOptions,
    check_count,
    check_positive,
    check_seed,
    parse,
)
from experiments.command.parser import TRAINING
from experiments.command.programs import keep_programs
from experiments.command.settings_file import settings_text
from experiments.data.datasets import load_split
from experiments.runs.directory import REPORT
from experiments.runs.lock import claimed
from experiments.training.study import Study
from experiments.verdict.sampling import train_classifier

UNITS, TIMED, LENGTHS = (4, 6, 8), 6, (1 / 3, 3)
"""Sizes L; the one that is also trained for other times, and these, as shares."""

BATCHES = (16, 160)
"""Points of the first and of the last mini-batch, the paper's."""

QUICK = Plan(
    Lesson(0, 2, 40, 8, 16),
    chain_length=8,
    units=(2,),
    timed=2,
    lengths=(),
    rates=(0.01, 0.03),
    # Other settings of methods that are tried.
    left_out=("cycles-32", "cycles-exact", "rbm-80-chains"),
)


@dataclass(frozen=True, kw_only=True)
class Advantage:
    """Train latent cycles, RBMs and belief networks, each at the best of its rates.

    With 4, 6 and 8 binary latent units, RBMs with twice as many too, and those of 6 for
    a third of the steps and for three times as many. Writes report.html, advantage.md
    and advantage.csv. Give the same --out again to go on after an interruption.
    """

    run: RunOptions
    models: Annotated[int, TRAINING] = 6
    """Models at each learning rate."""
    steps: Annotated[int, TRAINING] = 1800
    """Gradient steps."""
    quick: Annotated[bool, TRAINING] = False
    """A small version of everything: to try it, not to judge by it."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Advantage, "advantage", arguments)
    check_positive(models=options.models, steps=options.steps)
    check_count(models=options.models, steps=options.steps)
    out, seed = options.run.out, options.run.seed
    check_seed(seed)
    keep_programs(not options.run.no_cache)
    check_devices()
    train, held_out = load_split(options.run.dataset, options.run.data_dir)
    lesson = Lesson(seed, options.models, options.steps, *BATCHES)
    plan = QUICK if options.quick else Plan(lesson, 48, UNITS, TIMED, LENGTHS)
    study = Study(train, held_out, out)
    config = study.describe("advantage", options)
    with claimed(out, config, RESULTS, settings_text(options, "advantage")):
        classifier = None
        if train.labels is not None:
            classifier, _ = train_classifier(train, held_out)
        write_results(train_cells(plan, study, classifier), plan, study)
    print(f"see {out / REPORT}")
    return out


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: on all cores, errors in one line."""
    use_all_cores()
    main(arguments)
