"""What is kept of a call."""

import re
import sys

from experiments.command import invocation


def test_a_command_is_named_as_it_was_called(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/nelc-jax", "show", "a b"])
    assert invocation.called("train_ensemble") == "nelc-jax train"
    assert invocation.called("verdict") == "nelc-jax verdict"
    assert invocation.call()["command_line"] == "nelc-jax show 'a b'"
    monkeypatch.setattr(sys, "argv", ["/home/train_ensemble.py"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "experiments.show", "x"])
    assert invocation.called("show") == "python -m experiments.show"
    call = invocation.call()
    assert call["command_line"] == "python -m experiments.show x"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", call["date"])


def test_the_commit_is_that_of_a_clone(monkeypatch, tmp_path):
    package = tmp_path / "experiments" / "__init__.py"
    monkeypatch.setattr(invocation.experiments, "__file__", str(package))
    assert invocation._commit.__wrapped__() is None
    # No clone of git's own: it says nothing, and neither does this.
    (tmp_path / ".git").mkdir()
    assert invocation._commit.__wrapped__() is None


def test_calls_that_went_on_follow_the_first():
    begun, second, third = ({"command_line": c, "date": c, "commit": c} for c in "abc")
    once = invocation.continued({**second, "seed": 1}, [{**begun, "seed": 1}, begun])
    assert once == {**begun, "resumed": [second]}
    # The states of a run that was stopped know more of it than its first file.
    twice = invocation.continued(third, [begun, {**once, "epochs": 3}, begun])
    assert twice == {**begun, "resumed": [second, third]}
    # One of an earlier version does not say how it was begun.
    assert invocation.continued(third, [{"epochs": 3}]) == {"resumed": [third]}
