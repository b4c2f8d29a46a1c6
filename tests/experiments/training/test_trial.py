"""What a run would take, without one."""

import pytest

from experiments import train_ensemble
from experiments.command.errors import UserError
from experiments.training import trial

from .. import brief


def options(points, out, *more):
    data = ["--dataset", str(points), *brief.OPTIONS.split()]
    return ["--out", str(out), *data, "--dry-run", *more]


def test_a_dry_run_meets_what_the_run_would_meet(points, tmp_path):
    (tmp_path / "taken").write_text("")
    for more, words in (
        (["--out", str(tmp_path)], "is not empty: choose another directory"),
        (["--batch-last", "61"], "60 points to train on, fewer than .* of 61"),
        (["--horizon", "0"], "--horizon 0: .* needs --estimator averaged"),
        (["--resume"], "--dry-run: leave --resume away"),
    ):
        with pytest.raises(UserError, match=words):
            train_ensemble.main(options(points, tmp_path / "run", *more))


class Clocked:
    """Members that take 5 s to compile, 2 s an epoch, 12 s with M, 3 s to measure."""

    def __init__(self, *arguments):
        self.compiled = set()

    def epoch(self, number, sizes):
        first = "epoch" not in self.compiled
        self.compiled.add("epoch")
        return 5 * first + (12 if number % 10 == 0 else 2)

    def measure(self):
        first = "measure" not in self.compiled
        self.compiled.add("measure")
        return 5 * first + 3


def test_parts_of_a_run_add_up(monkeypatch, points):
    monkeypatch.setattr(trial, "Ensemble", Clocked)
    monkeypatch.setattr(trial, "_seconds", lambda function: function())
    dataset = train_ensemble.load_dataset(str(points))
    few = train_ensemble.Settings(models=36, units=6, epochs=10, batch_last=60)
    found = trial.try_run(few, dataset, 0)
    assert (found.compiling, found.training, found.measuring) == (5, 10 * 2, 8)
    # Of many states, M comes with one epoch in ten.
    many = train_ensemble.Settings(
        models=36, units=17, epochs=10, batch_last=60, members_at_once=18
    )
    found = trial.try_run(many, dataset, 0)
    assert (found.compiling, found.training) == (5, 2 * (9 * 2 + 12))
    assert found.measuring == 5 + 2 * 3
    assert found.total == 5 + 60 + 11 + trial.FIGURES_SECONDS
