"""Finished runs side by side: `python -m experiments.compare_runs A B --out DIR`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from experiments.command.devices import check_devices
from experiments.command.errors import UserError, reports_user_errors
from experiments.command.invocation import call
from experiments.command.options import parse
from experiments.figures import save_figure
from experiments.figures.runs import MOST_RUNS, runs_figure
from experiments.report.document import Document
from experiments.report.numbers import quantiles, typeset
from experiments.report.page import flat
from experiments.report.tables import markdown_table
from experiments.runs import directory as run_directory
from experiments.runs.diverged import diverged_in, sound
from experiments.runs.files import write_table
from experiments.runs.finished import open_run
from experiments.runs.lock import claimed

PAGE, TABLE, FIGURE = "runs.md", "runs.csv", "runs"

MEDIANS = {
    "log_likelihood": "L (nats)",
    "entropy_production_rate": "sigma (nats per double step)",
    "relaxation_time": "tau (double steps)",
}
"""Columns of `models.csv` with their headings: medians, and quartiles in brackets."""

OF_THE_PROCESS = (
    "seconds",
    "command_line",
    "date",
    "commit",
    "versions",
    "device",
    "processes",
    "save_every",
    "dataset_path",
    "data_dir",
    "distributed",
    "members_at_once",
)
"""How and where a run was made, of which its models know nothing."""

CAPTION = (
    "Finished runs side by side. (a) Log-likelihood L against the epoch: median over "
    "the models of each run, and between the quartiles; the steep beginning is left "
    "out. (b) L against the entropy production rate σ after the last epoch, a point a "
    "model."
)


@dataclass(frozen=True, kw_only=True)
class CompareRuns:
    """Lay finished runs side by side, in a table and a figure.

    Writes report.html and runs.md (medians and quartiles over the models of each run, a
    figure, and the settings in which the runs differ), runs.csv (a row a model) and the
    figure as runs.pdf and .png.
    """

    runs: list[Path] = field(kw_only=False)
    """Directories that train_ensemble wrote, or ensembles of compare, verdict or
    horizon; two at least."""
    out: Path
    """Directory for the results. Those of an earlier call are replaced; anything else
    must not be there."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(CompareRuns, "compare_runs", arguments)
    if not 2 <= len(options.runs) <= MOST_RUNS:
        raise UserError(
            f"{len(options.runs)} runs: expected 2 to {MOST_RUNS} directories"
        )
    check_devices()
    runs = dict(zip(_names(options.runs), map(open_run, options.runs), strict=True))
    for name, run in runs.items():
        if (diverged_in(run) > 0).all():
            raise UserError(f"{name}: all of its models went non-finite")
    config = {"command": "compare_runs", "runs": [*map(str, options.runs)], **call()}
    results = [PAGE, run_directory.REPORT, TABLE, f"{FIGURE}.png", f"{FIGURE}.pdf"]
    with claimed(options.out, config, results):
        document = page(runs)
        write_table(options.out / TABLE, _rows(runs))
        figure = runs_figure({name: sound(run) for name, run in runs.items()})
        save_figure(options.out, FIGURE, "Runs side by side", CAPTION, figure)
        document.write(options.out)
    print(f"{document.text}\nsee {options.out / run_directory.REPORT}")
    return options.out


def page(runs: Mapping[str, run_directory.Run]) -> Document:
    """What `runs.md` and the report say of runs by their names."""
    medians = {
        name: np.median(sound(run).models["log_likelihood"])
        for name, run in runs.items()
    }
    best, next_best = sorted(medians, key=medians.__getitem__, reverse=True)[:2]
    lead = medians[best] - medians[next_best]
    answer = (
        f"{best} has the highest median log-likelihood, by {lead:.2f} nats a point."
    )
    if len({run.config.get("data_digest") for run in runs.values()}) > 1:
        answer = (
            "The runs are of different data: their log-likelihoods are not to be "
            "compared."
        )
    sections = [
        "Medians over the models of each run, with the quartiles in brackets. Models "
        "that went non-finite are in none of them.",
        markdown_table({name: _summary(run) for name, run in runs.items()}, "Run"),
        f"![{CAPTION}]({FIGURE}.png)",
    ]
    different = _differences(runs)
    if different:
        sections += ["## In what they differ", markdown_table(different, "Run")]
    return Document(
        name=PAGE,
        kicker="compare-runs",
        heading="Runs side by side",
        answer=answer,
        sections=sections,
    )


def _names(paths: list[Path]) -> list[str]:
    """The last part of each path, or all of it where two have the same."""
    short = [path.name for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise UserError(f"{max(names, key=names.count)} is given twice")
    return names


def _summary(run: run_directory.Run) -> dict[str, str]:
    kept, lost = sound(run), diverged_in(run) > 0
    cells = {
        "models": str(len(lost)),
        "lost": str(np.count_nonzero(lost)),
        "best L (nats)": typeset(kept.models["log_likelihood"].max(), "log_likelihood"),
    }
    for name, heading in MEDIANS.items():
        if name in kept.models:
            _, low, median, high, _ = (
                typeset(value, name) for value in quantiles(kept.models[name])
            )
            cells[heading] = f"{median} [{low}, {high}]"
    return cells


def _differences(runs: Mapping[str, run_directory.Run]) -> dict[str, dict[str, str]]:
    """The settings that are not the same in all runs, of each run."""
    settings = {
        name: dict(
            flat({k: v for k, v in run.config.items() if k not in OF_THE_PROCESS})
        )
        for name, run in runs.items()
    }
    every = list(dict.fromkeys(key for one in settings.values() for key in one))
    different = [
        key for key in every if len({one.get(key) for one in settings.values()}) > 1
    ]
    if not different:
        return {}
    return {
        name: {key: one.get(key, "–") for key in different}
        for name, one in settings.items()
    }


def _rows(runs: Mapping[str, run_directory.Run]) -> dict[str, np.ndarray]:
    """A row a model: the number of its run, in the order given, and its measures."""
    tables = [run.models for run in runs.values()]
    common = [name for name in tables[0] if all(name in table for table in tables)]
    sizes = [len(table["model"]) for table in tables]
    columns = {"run": np.repeat(np.arange(len(tables)), sizes)}
    return columns | {
        name: np.concatenate([table[name] for table in tables]) for name in common
    }


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: errors in one line."""
    main(arguments)


if __name__ == "__main__":
    command()
