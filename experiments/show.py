"""The figures and the report of a run again: `python -m experiments.show RUN`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from dataclasses import dataclass, field
from pathlib import Path

from experiments.command.devices import check_devices
from experiments.command.errors import reports_unwritable, reports_user_errors
from experiments.command.options import parse
from experiments.figures import save_figures
from experiments.report.report import write_report
from experiments.runs import directory as run_directory
from experiments.runs.files import remove_leftovers
from experiments.runs.finished import open_run
from experiments.runs.lock import locked


@dataclass(frozen=True, kw_only=True)
class Show:
    """Make figures/ and report.html of a finished run again, from its other files.

    Nothing is trained or measured anew; the new files replace the old ones.
    """

    run: Path = field(kw_only=False)
    """Directory that train_ensemble wrote, or one of the ensembles of compare, verdict
    or horizon."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns the report."""
    options = parse(Show, "show", arguments)
    check_devices()
    open_run(options.run)
    with locked(options.run), reports_unwritable(options.run):
        # Not before: another process may have been writing it.
        run = open_run(options.run)
        remove_leftovers(options.run, options.run / run_directory.FIGURES)
        figures = save_figures(run, options.run / run_directory.FIGURES)
        report = options.run / run_directory.REPORT
        write_report(run, figures, report)
    print(report)
    return report


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: errors in one line."""
    main(arguments)


if __name__ == "__main__":
    command()
