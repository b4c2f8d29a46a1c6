"""The report of an oscillator run, with the page and parts of the main report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.figures import SavedFigure
from experiments.report.numbers import with_error
from experiments.report.page import write_page


def write_oscillator_report(
    path: Path,
    heading: str,
    lead: str,
    tables: Mapping[str, Mapping[str, np.ndarray]],
    figures: Sequence[SavedFigure],
    config: Mapping,
) -> None:
    """Write one self-contained page: tables by caption, figures, settings."""
    write_page(
        path,
        "oscillators/report.html.jinja",
        kicker="Driven oscillator networks",
        heading=heading,
        lead=lead,
        tables={caption: _as_text(columns) for caption, columns in tables.items()},
        figures=figures,
        config=config,
    )


def _as_text(columns: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """The columns in words; a column `name_error` joins `name` as ± its value."""
    unknown = np.full(len(next(iter(columns.values()))), np.nan)
    return {
        name.replace("_", " "): list(
            map(with_error, values, columns.get(f"{name}_error", unknown))
        )
        for name, values in columns.items()
        if not name.endswith("_error")
    }
