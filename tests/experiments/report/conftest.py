import pytest
from matplotlib.figure import Figure

from experiments.figures import SavedFigure


@pytest.fixture(scope="session")
def figures(tmp_path_factory):
    """Two tiny figures, 40 and 80 pixels wide; the second's words are not HTML."""
    directory = tmp_path_factory.mktemp("figures")
    made = []
    for number, title in enumerate(("Training", "a < b & c")):
        png, pdf = directory / f"fig{number}.png", directory / f"fig{number}.pdf"
        Figure(figsize=(number + 1, 0.5), dpi=40).savefig(png)
        made.append(SavedFigure(f"fig{number}", title, f"w_α of {title}", png, pdf))
    return made
