"""The report of an oscillator run, with the page and parts of the main report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.figures import SavedFigure
from experiments.oscillators.tables import Columns
from experiments.report.numbers import with_error
from experiments.report.page import write_page


@dataclass(frozen=True)
class Page:
    """What a report holds besides the settings: figures, and tables by caption.

    `remarks`, what a reader of the numbers must know.
    """

    heading: str
    figures: Sequence[SavedFigure]
    tables: Mapping[str, Columns]
    remarks: Sequence[str]


def write_oscillator_report(path: Path, page: Page, config: Mapping) -> None:
    """Write one self-contained page."""
    write_page(
        path,
        "oscillators/report.html.jinja",
        kicker="Driven oscillator networks",
        heading=page.heading,
        tables={caption: _as_text(table) for caption, table in page.tables.items()},
        figures=page.figures,
        remarks=page.remarks,
        config=config,
    )


def _as_text(columns: Columns) -> dict[str, list[str]]:
    """The columns in words; a column `name_error` joins `name` as ± its value."""
    unknown = np.full(len(next(iter(columns.values()))), np.nan)
    return {
        name.replace("_", " "): list(
            map(with_error, values, columns.get(f"{name}_error", unknown))
        )
        for name, values in columns.items()
        if not name.endswith("_error")
    }
