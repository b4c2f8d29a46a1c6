"""The command line of the experiment on horizons."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from experiments.command.devices import check_devices, use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.options import RunOptions, check_seed, parse
from experiments.command.parser import MEASURING, TRAINING
from experiments.command.programs import keep_programs
from experiments.command.settings_file import settings_text
from experiments.data.datasets import load_split
from experiments.horizon.measure import RESULTS, measure_horizons
from experiments.runs.directory import REPORT
from experiments.runs.lock import claimed
from experiments.training.run import check_points
from experiments.training.settings import Settings
from experiments.training.study import QUICK, Study


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """Train 36 models for each number K of double steps that the gradient goes back.

    K = 1, 2, 4, 16 and all, with both normalisations; the paper's literal rule along
    the chain and averaged; and controls. Writes a directory an ensemble below --out,
    and report.html and horizon.md with their figures. Give the same --out again to go
    on after an interruption.
    """

    run: RunOptions
    quick: Annotated[bool, TRAINING] = False
    """A small version of everything: to try it, not to judge by it."""
    measure_again: Annotated[bool, MEASURING] = False
    """Measure ensembles anew that are finished in --out, without training them again;
    their history.csv stays."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Horizon, "horizon", arguments)
    out, seed = options.run.out, options.run.seed
    check_seed(seed)
    keep_programs(not options.run.no_cache)
    check_devices()
    train, held_out = load_split(options.run.dataset, options.run.data_dir)
    base = replace(Settings(), **QUICK) if options.quick else Settings()
    check_points(train, base)
    study = Study(train, held_out, out, options.measure_again)
    config = study.describe("horizon", options)
    with claimed(out, config, RESULTS, settings_text(options, "horizon")):
        measure_horizons(study, base, seed)
    print(f"see {out / REPORT}")
    return out


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: on all cores, errors in one line."""
    use_all_cores()
    main(arguments)
