"""Every model is in the figure of the clusters, under its name."""

import numpy as np

from experiments.verdict.figure import MARKS, OTHERS, clusters_figure


def test_rare_patterns_share_a_mark():
    names = np.repeat([f"({k},0)" for k in range(9)], np.arange(9, 0, -1))
    columns = ("sigma", "log_likelihood", "evenness")
    members = {name: np.arange(len(names), dtype=float) for name in columns}
    figure = clusters_figure(members | {"pattern": names})
    for axes in figure.axes:
        drawn = np.concatenate([line.get_xdata() for line in axes.lines])
        assert sorted(drawn) == members["sigma"].tolist()
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words[0] == "(0,0): 9"
    assert words[len(MARKS) :] == [f"{OTHERS}: 6"]
    # Control: without labels nothing has a name.
    assert not clusters_figure(members).legends
