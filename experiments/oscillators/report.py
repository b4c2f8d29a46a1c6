"""The report of an oscillator run, with the page and parts of the main report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from experiments.figures import SavedFigure
from experiments.oscillators.tables import Columns
from experiments.report.report import document, figure_block, settings_table
from experiments.runs.directory import write_text

LEAD = (
    "A network of overdamped, nonlinear oscillators in a thermal bath starts in the "
    "equilibrium of a plain trap; a protocol of changing potentials then drives it so "
    "that it ends in samples of the data. The protocol is learned by local rules: from "
    "measured forces (force matching), or from observed motion alone (CD1)."
)


@dataclass(frozen=True)
class Page:
    """What a report holds besides the settings: figures, and tables by caption."""

    heading: str
    figures: Sequence[SavedFigure]
    tables: Mapping[str, Columns]


def write_oscillator_report(path: Path, page: Page, config: Mapping) -> None:
    """Write one self-contained page."""
    text = document(
        "Driven oscillator networks",
        escape(page.heading),
        LEAD,
        {
            "Results": "".join(table(*item) for item in page.tables.items()),
            "Figures": "".join(map(figure_block, page.figures)),
            "Settings": settings_table(config),
        },
    )
    write_text(path, text)


def table(caption: str, columns: Columns) -> str:
    """Columns as a table; a column `name_error` joins `name` as ± its value."""
    shown = [name for name in columns if not name.endswith("_error")]
    head = "".join(
        f'<th scope="col">{escape(name).replace("_", " ")}</th>' for name in shown
    )
    body = ""
    for row in range(len(columns[shown[0]])):
        body += "<tr>"
        for name in shown:
            error = columns.get(f"{name}_error")
            body += f"<td>{cell(columns[name][row], error, row)}</td>"
        body += "</tr>"
    return f"""<div class="scroll" role="region" aria-label="{escape(caption)}"
 tabindex="0">
<table class="numbers">
<caption>{escape(caption)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>{body}</tbody>
</table>
</div>"""


def cell(value, error: np.ndarray | None, row: int) -> str:
    """A value for a table, with its error if there is one."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, int | np.integer):
        return str(value)
    if np.isnan(value):
        return "–"
    text = f"{value:.4g}".replace("-", "−")
    if error is None or not np.isfinite(error[row]):
        return text
    return f"{text} ± {error[row]:.1g}"
