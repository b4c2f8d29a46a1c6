"""Finished runs side by side."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import compare_runs
from experiments.command.errors import UserError
from experiments.figures.runs import runs_figure
from experiments.runs.directory import create_run_directory, write_run
from experiments.runs.files import read_table

from .synthetic import synthetic_run


def written(path, run):
    create_run_directory(path, run.config)
    write_run(path, run)
    return str(path)


@pytest.fixture
def runs(tmp_path):
    """The second: one model less good by a nat, other settings and other data."""
    first = synthetic_run()
    second = replace(
        first,
        config={**first.config, "learning_rate": 0.2, "data_digest": "other"},
        models={**first.models, "log_likelihood": first.models["log_likelihood"] - 1},
    )
    return [
        written(tmp_path / name, run)
        for name, run in zip("ab", (first, second), strict=True)
    ]


def test_medians_and_differences(runs, tmp_path, capsys, blank):
    out = compare_runs.main([*runs, "--out", str(tmp_path / "out")])
    page = (out / "runs.md").read_text()
    assert capsys.readouterr().out.startswith(page.split("\n\n![")[0])
    table = read_table(out / "runs.csv")
    medians = [
        np.median(table["log_likelihood"][table["run"] == number]) for number in (0, 1)
    ]
    assert medians[0] - medians[1] == pytest.approx(1)
    lines = [line for line in page.splitlines() if line.startswith(("| a", "| b"))]
    for line, median in zip(lines, medians, strict=False):
        assert f" {median:.2f} [".replace("-", "−") in line
    assert lines[2:] == ["| a | – | – |", "| b | 0.2 | other |"]
    assert "of different data" in page
    assert {path.name for path in out.glob("runs.*")} == {
        "runs.md",
        "runs.csv",
        "runs.png",
        "runs.pdf",
    }


def test_a_run_beside_itself_differs_in_nothing(runs, tmp_path, blank):
    out = compare_runs.main(
        [
            runs[0],
            written(tmp_path / "c", synthetic_run()),
            "--out",
            str(tmp_path / "o"),
        ]
    )
    page = (out / "runs.md").read_text()
    assert "differ" not in page
    assert "of different data" not in page


def test_lines_and_points_of_each_run():
    run = synthetic_run()
    left, right = runs_figure({"one": run, "two": run, "three": run}).axes
    assert [line.get_label() for line in left.lines] == ["one", "two", "three"]
    (first, *others) = (line.get_ydata() for line in left.lines)
    epochs = len(np.unique(run.history["epoch"]))
    expected = np.median(run.history["log_likelihood"].reshape(epochs, -1), axis=1)
    np.testing.assert_allclose(first, expected)
    assert all((other == first).all() for other in others)
    assert sum(len(points.get_offsets()) for points in right.collections) == 15


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "1 runs: expected 2 to 9 directories"),
        (["a", "a"], "a is given twice"),
        (["a", "nothing"], "nothing is not a directory"),
    ],
)
def test_refused_before_anything_is_made(runs, tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        compare_runs.main(
            [*(str(tmp_path / name) for name in names), "--out", str(tmp_path / "out")]
        )
    assert not (tmp_path / "out").exists()
