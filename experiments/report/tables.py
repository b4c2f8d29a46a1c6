"""Tables of a page in Markdown."""

from collections.abc import Mapping

import pandas as pd

from experiments.report.page import flat


def in_words(settings: Mapping) -> str:
    """Settings as a part of a sentence."""
    return ", ".join(f"{name} {value}" for name, value in flat(settings))


def markdown_table(rows: dict[str, dict[str, str]], head: str) -> str:
    """A table with `head` above the names of its rows; a missing cell is empty.

    **Arguments:** `rows`: for each name the cells by their heading.
    """
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    lines = [
        [head, *frame.columns],
        ["---"] * (1 + frame.shape[1]),
        *frame.itertuples(name=None),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
