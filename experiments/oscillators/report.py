"""The report of an oscillator run, with the page and parts of the main report."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from experiments.figures import SavedFigure
from experiments.report.report import document, figure_block, settings_table
from experiments.runs.directory import write_text


def write_oscillator_report(
    path: Path,
    heading: str,
    lead: str,
    tables: Mapping[str, Mapping[str, np.ndarray]],
    figures: Sequence[SavedFigure],
    config: Mapping,
) -> None:
    """Write one self-contained page: tables by caption, figures, settings."""
    page = document(
        "Driven oscillator networks",
        escape(heading),
        lead,
        {
            "Results": "".join(table(*item) for item in tables.items()),
            "Figures": "".join(map(figure_block, figures)),
            "Settings": settings_table(config),
        },
    )
    write_text(path, page)


def table(caption: str, columns: Mapping[str, np.ndarray]) -> str:
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
