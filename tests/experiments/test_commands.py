"""Bad command lines and data files of every command: one line, and nothing written."""

import sys

import numpy as np
import pytest

from experiments import compare, sample, show, train_ensemble
from experiments.advantage import command as advantage
from experiments.command import memory
from experiments.command.errors import UserError, reports_user_errors
from experiments.horizon import command as horizon
from experiments.loops import command as loops
from experiments.oscillators import command as oscillators
from experiments.verdict import command as verdict

COMMANDS = {
    "train_ensemble": train_ensemble,
    "compare": compare,
    "oscillators": oscillators,
    "horizon": horizon,
    "loops": loops,
    "advantage": advantage,
    "verdict": verdict,
    "sample": sample,
    "show": show,
}

BAD = [
    *(
        (command, f"--{option} {value}", f"--{option} {value}")
        for command, option, *values in (
            ("train_ensemble", "models", "0", "-3"),
            ("train_ensemble", "units", "0"),
            ("train_ensemble", "epochs", "-1"),
            ("train_ensemble", "steps-per-epoch", "0"),
            ("train_ensemble", "chain-length", "0"),
            ("train_ensemble", "batch-first", "0"),
            ("train_ensemble", "batch-last", "-1"),
            ("train_ensemble", "learning-rate", "-0.1", "nan", "inf"),
            ("train_ensemble", "eps", "0.0", "nan"),
            ("train_ensemble", "decay", "-0.1", "nan"),
            ("train_ensemble", "seed", "-1"),
            ("train_ensemble", "dataset", "nothing", "absent.npz"),
            ("compare", "models", "0"),
            ("compare", "units", "-2"),
            ("compare", "epochs", "0"),
            ("compare", "seed", "-1"),
            ("compare", "dataset", "nothing", "absent.npy"),
            ("advantage", "models", "0", str(2**31)),
            ("advantage", "steps", "-1"),
            ("oscillators", "models", "0"),
            ("oscillators", "steps", "-5"),
            ("oscillators", "batch", "0"),
            ("oscillators", "hidden", "0", "-3"),
            ("oscillators", "knots", "1"),
            ("oscillators", "side", "3", "29"),
            ("oscillators", "fraction", "0.0", "1.0", "nan"),
            ("oscillators", "radius", "0.0", "nan"),
            ("oscillators", "learning-rate", "0.0", "inf"),
            ("oscillators", "seed", "-1"),
        )
        for value in values
    ),
    ("oscillators", "--task digits --dataset cifar", "--dataset cifar"),
    ("train_ensemble", "--dataset mnist --data-dir absent", "--data-dir absent"),
]


@pytest.mark.parametrize(
    ("command", "options", "shown"), BAD, ids=[f"{c} {o}" for c, o, _ in BAD]
)
def test_bad_options(tmp_path, monkeypatch, command, options, shown):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"^{shown}\b.*") as caught:
        COMMANDS[command].main(["--out", "run", *options.split()])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


TOO_LARGE = {
    "train_ensemble": ("epochs", "models", "steps-per-epoch", "chain-length"),
    "compare": ("epochs", "models"),
    "oscillators": ("models", "steps", "batch", "knots"),
    "sample": ("samples", "steps"),
}


@pytest.mark.parametrize(
    ("command", "option"), [(c, o) for c, names in TOO_LARGE.items() for o in names]
)
def test_what_no_memory_holds(tmp_path, monkeypatch, finished, points, command, option):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    given = ["--out", "out"]
    if command == "sample":
        given += [str(finished)]
    elif command != "oscillators":
        given += ["--dataset", str(points)]
    small = {"train_ensemble": ["--batch-last", "16"]}.get(command, [])
    for number in (10**12, 10**30):
        with pytest.raises(
            UserError, match=rf"^--{option} {number} needs .* of memory"
        ):
            COMMANDS[command].main([*given, *small, f"--{option}", str(number)])
    monkeypatch.setattr(memory, "installed_memory", lambda: None)
    with pytest.raises(UserError, match=rf"^--{option} {2**31}: expected less than"):
        COMMANDS[command].main([*given, *small, f"--{option}", str(2**31)])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["--ensembles", "--paper-ensembles"])
def test_seeds_beyond_the_last_one(option):
    with pytest.raises(UserError, match=rf"^{option} 1000000000000: their seeds"):
        verdict.main(["--out", "out", "--dataset", "x.npz", option, str(10**12)])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_no_file_can_have(tmp_path, finished, points, command):
    name = str(tmp_path / ("x" * 300))
    options = ["--dataset", str(points)]
    if command == "oscillators":
        options = []
    elif command == "train_ensemble":
        options += ["--batch-last", "16"]
    elif command in ("verdict", "horizon", "loops", "advantage"):
        options += ["--quick"]
    arguments = ["--out", name, *options]
    if command in ("show", "sample"):
        arguments = [name]
    with pytest.raises(UserError, match="File name too long") as caught:
        COMMANDS[command].main(arguments)
    assert "\n" not in str(caught.value)


FILES = {
    "complex": ({"x": np.zeros((4, 4), complex)}, "x has dtype complex128"),
    "infinite": ({"x": np.full((4, 4), np.inf)}, r"x\[0, 0\] is inf"),
    "negative": ({"x": np.full((4, 4), -1)}, r"x\[0, 0\] is -1"),
    "bytes": ({"x": np.full((4, 4), 255, np.uint8)}, r"x\[0, 0\] is 255.*threshold"),
    "scalar": ({"x": np.float64(1)}, r"x has shape \(\)"),
    "dates": ({"x": np.zeros((4, 4), "M8[s]")}, "x has dtype datetime64"),
    "no arrays": ({}, r"arrays \[\]: expected x"),
    "labels of two axes": (
        {"x": np.zeros((4, 4)), "labels": np.zeros((4, 1))},
        r"labels have shape \(4, 1\), expected \(4,\)",
    ),
    "a label": (
        {"x": np.zeros((4, 4)), "labels": np.int64(0)},
        r"labels have shape \(\), expected \(4,\)",
    ),
    "pickled": ({"x": np.array([[{}]], dtype=object)}, "cannot be read as NumPy"),
    "few points": (
        {"x": np.zeros((4, 4))},
        "4 points to train on, fewer than the largest",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    arrays, message = FILES[name]
    np.savez("points.npz", **arrays)
    with pytest.raises(UserError, match=message) as caught:
        train_ensemble.main(["--out", "run", "--dataset", "points.npz"])
    assert "points.npz" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["points.npz"]


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        (show, ["{}/nothing"], "not a directory"),
        (show, ["{}/figures"], "config.json is missing"),
        (sample, ["{}", "--model", "9"], "--model 9: the run has models 0 to 4"),
        (sample, ["{}", "--samples", "0"], "--samples 0: expected a positive number"),
        (sample, ["{}", "--seed", "-1"], "--seed -1: expected 0 or more"),
        (sample, ["{}", "--out", "{}"], "already holds a run"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    finished, monkeypatch, capsys, command, options, words
):
    (finished / "figures").mkdir()
    arguments = [option.format(finished) for option in options]
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as stopped:
        reports_user_errors(command.main)()
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message
