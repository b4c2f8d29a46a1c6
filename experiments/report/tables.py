"""Tables of a page in Markdown."""

import pandas as pd


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
