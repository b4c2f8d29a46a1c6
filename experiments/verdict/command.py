"""The command line of the verdict."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from experiments.command.devices import check_devices, use_all_cores
from experiments.command.errors import UserError, reports_user_errors
from experiments.command.options import RunOptions, check_positive, check_seed, parse
from experiments.command.parser import MEASURING, TRAINING
from experiments.command.programs import keep_programs
from experiments.command.settings_file import settings_text
from experiments.data.datasets import load_split
from experiments.runs.directory import REPORT
from experiments.runs.lock import claimed
from experiments.training.run import check_points
from experiments.training.settings import Settings
from experiments.training.study import QUICK, Study
from experiments.verdict.judge import RESULTS, judge_findings


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Judge the findings of arXiv 2512.11415 on several ensembles of every reading.

    Writes one directory an ensemble below --out, and report.html and verdict.md. A
    run that was interrupted goes on where it was: give the same --out again.
    """

    run: RunOptions
    paper_ensembles: Annotated[int, TRAINING] = 30
    """Ensembles of 36 models with different seeds of the paper's own reading."""
    ensembles: Annotated[int, TRAINING] = 5
    """The same of each other reading and each RBM."""
    quick: Annotated[bool, TRAINING] = False
    """A small version of everything, in two minutes: to try it, not to judge by it."""
    measure_again: Annotated[bool, MEASURING] = False
    """Measure ensembles anew that are finished in --out, without training them again;
    their history.csv stays."""
    no_sensitivity: Annotated[bool, TRAINING, Parameter(negative="--sensitivity")] = (
        False
    )
    """Leave away the ensembles with other optimiser settings, T and L, one each."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Verdict, "verdict", arguments)
    check_positive(paper_ensembles=options.paper_ensembles, ensembles=options.ensembles)
    out, seed = options.run.out, options.run.seed
    check_seed(seed)
    keep_programs(not options.run.no_cache)
    check_devices()
    counts = {
        "--paper-ensembles": options.paper_ensembles,
        "--ensembles": options.ensembles,
    }
    for name, count in counts.items():
        if seed + count > 2**32:
            raise UserError(
                f"{name} {count}: their seeds begin with --seed {seed}, and must stay "
                "below 2^32"
            )
    train, held_out = load_split(options.run.dataset, options.run.data_dir)
    base = Settings()
    of_paper, of_others = (range(seed, seed + count) for count in counts.values())
    if options.quick:
        base = replace(base, **QUICK)
        of_paper, of_others = of_paper[:1], of_others[:1]
    check_points(train, base)
    study = Study(train, held_out, out, options.measure_again)
    config = study.describe("verdict", options)
    with claimed(out, config, RESULTS, settings_text(options, "verdict")):
        sensitivity = not (options.no_sensitivity or options.quick)
        judge_findings(study, base, of_paper, of_others, sensitivity)
    print(f"see {out / REPORT}")
    return out


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: on all cores, errors in one line."""
    use_all_cores()
    main(arguments)
