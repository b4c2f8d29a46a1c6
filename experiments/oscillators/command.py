"""The command: options in, a run directory with its report out."""

from pathlib import Path

from experiments.command.devices import check_devices, use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.programs import keep_programs
from experiments.command.settings_file import settings_text
from experiments.oscillators import options as given
from experiments.oscillators.data import load_gray
from experiments.oscillators.digits import NOISING, Digits, run_digits
from experiments.oscillators.gaussians import (
    BROAD,
    NARROW,
    Gaussians,
    run_gaussians,
)
from experiments.oscillators.members import Training
from experiments.oscillators.pages import digits_page, gaussians_page
from experiments.oscillators.plans import (
    Plans,
    broad_plans,
    hidden_plans,
    narrow_plans,
    pairs_plans,
    quartic_plans,
)
from experiments.oscillators.report import write_oscillator_report
from experiments.oscillators.tables import Results
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run
from experiments.runs.lock import taken_up


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    return _run(*given.read(arguments))


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: on all cores, errors in one line."""
    options, training = given.read(arguments)
    if training.models > 1:
        use_all_cores()
    _run(options, training)


def _run(options: given.Oscillators, training: Training) -> Path:
    keep_programs(not options.run.no_cache)
    check_devices()
    data = None
    if options.task == "digits":
        data = load_gray(options.run.dataset, options.run.data_dir, options.side)
    out = options.run.out
    config = given.config(options)
    with taken_up(out, config, settings_text(options, "oscillators")):
        if data is None:
            result = _plane(options, training)
        else:
            plans = _plans(options, training)
            result = run_digits(training, data, plans, options.classes)
        config = {**config, "seconds": result.seconds}
        run = Run(config, result.history, result.members, result.arrays)
        others = {"comparison.csv": result.rows, "costs.csv": result.costs}
        if isinstance(result, Digits):
            others["completions.csv"] = result.completions
            if result.devices:
                others["devices.csv"] = result.devices
        # Before the figures, which may need more room than there is.
        run_directory.write_run(out, run, others)
        figures = out / run_directory.FIGURES
        if isinstance(result, Gaussians):
            page = gaussians_page(result, figures)
        else:
            page = digits_page(result, figures, options.run.dataset, options.side)
        write_oscillator_report(out / run_directory.REPORT, page, config)
    _print_result(result, out)
    return out


def _plane(options: given.Oscillators, training: Training) -> Gaussians:
    if options.modes == "narrow":
        plans = narrow_plans(NARROW.noising, training)
        return run_gaussians(training, NARROW, plans)
    return run_gaussians(training, BROAD, broad_plans(BROAD.noising, training))


def _plans(options: given.Oscillators, training: Training) -> Plans:
    if options.network == "hidden":
        return hidden_plans(NOISING, training, options.side, options.hidden)
    if options.network == "pairs":
        return pairs_plans(NOISING, training, options.side)
    return quartic_plans(NOISING, training, options.side, float(options.radius))


def _print_result(result: Results, out: Path) -> None:
    rows = result.rows
    for method, distance in zip(rows["method"], rows["energy_distance"], strict=True):
        print(f"{method:>28}: energy distance {distance:.4f}")
    print(f"see {out / run_directory.REPORT}")
