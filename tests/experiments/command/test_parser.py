"""Command lines read into dataclasses: groups in `--help`, one line for an error."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from cyclopts import Parameter
from cyclopts.config import Dict

from experiments.command.errors import UserError
from experiments.command.parser import MODEL, TRAINING, app_of, read_options
from experiments.oscillators.options import Oscillators
from experiments.train_ensemble import TrainEnsemble


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Shared:
    """What several commands have."""

    out: Path
    """Where results go."""
    seed: int = 0
    """Seed of all
    random numbers."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Do something.

    At 100 % of the cost.
    """

    run: Path = field(kw_only=False)
    """Directory of a run."""
    shared: Shared
    rate: Annotated[float, TRAINING] = 0.1
    """Rate, at most 100 %."""
    kind: Annotated[Literal["plain", "fancy"], MODEL] = "plain"
    """Which one."""
    sizes: Annotated[tuple[int, ...], MODEL] = (1, 2)
    """How large."""
    most: int | None = None
    """How many. [all]"""
    quick: bool = False
    """Soon."""
    native: bool = True
    """By C."""


def read(line, *sources):
    return read_options(Command, "command", line.split(), sources)


def test_values_of_every_type():
    first = Command(Path("a"), shared=Shared(out=Path("b")))
    assert read("a --out=b") == first
    line = "--rate -1 --out o --sizes 3 4 --kind fancy --most 5 --quick --seed 7 a"
    assert read(f"{line} --no-native") == Command(
        Path("a"),
        shared=Shared(out=Path("o"), seed=7),
        rate=-1.0,
        kind="fancy",
        sizes=(3, 4),
        most=5,
        quick=True,
        native=False,
    )
    # The last one counts; underscores do as well, and no number is one, too.
    twice = (
        "--out o --rate 1 --rate=0.1 --most 3 --most None --quick --no-quick --out b"
    )
    assert read(f"a {twice}") == first
    assert read_options(TrainEnsemble, "t", ["--out", "o", "--save_every", "3"]) == (
        read_options(TrainEnsemble, "t", ["--out", "o", "--save-every=3"])
    )


def test_sources_give_what_the_command_line_does_not():
    sources = (
        Dict({"seed": 3, "most": 4, "native": False}),
        Dict({"most": 5, "rate": 2}),
    )
    found = read("a --out b --seed 7", *sources)
    line = "a --out b --seed 7 --most 4 --no-native --rate 2"
    assert found == read(line) != read("a --out b --seed 7")


WRONG = {
    "a --out o --rat 3": "--rat --rate?",
    "a --out o --xyz=3": "--xyz",
    "a b --out o": "'b'",
    "a --out o --seed 1.5": "--seed 1.5 int",
    "a --out o --sizes 1 2.0": "--sizes 2.0 int",
    "a --out o --rate much": "--rate much float",
    "a --out o --kind ugly": "--kind ugly plain fancy",
    "a --out": "--out requires",
    "a": "--out requires",
    "--out o": "--run requires",
    "a --out o --sizes": "--sizes requires 1",
    # No name is completed: what is short today may be two tomorrow.
    "a --out o --quic": "--quic --quick?",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line(line):
    # The sentence is the library's; what it names is what counts.
    with pytest.raises(UserError, match="command --help has all options") as caught:
        read(line)
    assert all(word in str(caught.value) for word in WRONG[line].split())
    assert "\n" not in str(caught.value)


HELP = """\
Usage: command --out PATH [OPTIONS] RUN

Do something.

At 100 % of the cost.

model
--kind CHOICE Which one. [choices: plain, fancy] [default: plain]
--sizes INT... How large. [default: (1, 2)]

training
--rate FLOAT Rate, at most 100 %. [default: 0.1]

running
* RUN --run Directory of a run. [required]
* --out PATH Where results go. [required]
--seed INT Seed of all random numbers. [default: 0]
--most INT How many. [all]
--quick --no-quick Soon. [default: False]
--native --no-native By C. [default: True]
--help -h Display this message and exit."""


def test_help_has_groups_and_defaults(capsys):
    with pytest.raises(SystemExit) as left:
        read("--help")
    assert not left.value.code
    # Borders and columns are the library's.
    assert re.sub("[─│╭╮╰╯]", " ", capsys.readouterr().out).split() == HELP.split()


def test_every_option_has_a_text():
    for command in (TrainEnsemble, Oscillators):
        app = app_of(command, "command")
        options = app.assemble_argument_collection(parse_docstring=True)
        texts = {each.name: each.parameter.help for each in options}
        # Those of `run` have theirs; it has no name of its own.
        del texts["*"]
        assert len(texts) > 15
        assert all(texts.values())
