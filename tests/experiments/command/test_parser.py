"""Command lines read into dataclasses: groups in `--help`, one line for an error."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest

from experiments.command.errors import UserError
from experiments.command.parser import POSITIONAL, options_of, read_options
from experiments.oscillators.options import Oscillators
from experiments.train_ensemble import TrainEnsemble


@dataclass(frozen=True)
class Shared:
    """What several commands have."""

    out: Path
    """Where results go."""
    seed: int = 0
    """Seed of all
    random numbers."""


@dataclass(frozen=True)
class Command:
    """Do something.

    At 100 % of the cost.
    """

    GROUPS: ClassVar = {"model": ("kind", "sizes"), "training": ("rate",)}

    run: Annotated[Path, POSITIONAL]
    """Directory of a run."""
    shared: Shared
    rate: float = 0.1
    """Rate, at most 100 %."""
    kind: Literal["plain", "fancy"] = "plain"
    """Which one."""
    sizes: tuple[int, ...] = (1, 2)
    """How large."""
    most: int | None = None
    """How many. [all]"""
    quick: bool = False
    """Soon."""
    native: bool = True
    """By C."""


def read(line):
    return read_options(Command, "command", line.split())


def test_values_of_every_type():
    assert read("a --out=b") == Command(Path("a"), Shared(Path("b")))
    line = "--rate -1 --out o --sizes 3 4 --kind fancy --most 5 --quick --seed 7 a"
    assert read(f"{line} --no-native") == Command(
        Path("a"), Shared(Path("o"), 7), -1.0, "fancy", (3, 4), 5, True, False
    )
    # The last one counts; underscores do as well, and no number is one, too.
    twice = read("a --out o --rate 1 --rate=2 --most 3 --most None --quick --no-quick")
    assert twice == Command(Path("a"), Shared(Path("o")), 2.0)
    assert read_options(TrainEnsemble, "t", ["--out", "o", "--save_every", "3"]) == (
        read_options(TrainEnsemble, "t", ["--out", "o", "--save-every=3"])
    )


WRONG = {
    "a --out o --rat 3": "--rat is no option: did you mean --rate?",
    "a --out o --xyz=3": "--xyz is no option: command --help has them all",
    "a b --out o": "b belongs to no option: command --help has them all",
    "a --out o --seed 1.5": "--seed 1.5: expected a whole number",
    "a --out o --rate much": "--rate much: expected a number",
    "a --out o --kind ugly": "--kind ugly: expected plain or fancy",
    "a --out": "--out: expected one argument",
    "a": "--out is missing: command --help says what it is",
    "--out o": "run is missing: command --help says what it is",
    # No name is completed: what is short today may be two tomorrow.
    "a --out o --quic": "--quic is no option: did you mean --quick?",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line(line):
    with pytest.raises(UserError) as caught:
        read(line)
    assert str(caught.value) == WRONG[line]


HELP = """\
usage: command PATH --out PATH [options]

Do something.

At 100 % of the cost.

positional arguments:
PATH Directory of a run.

model:
--kind plain|fancy Which one. [plain]
--sizes INT [INT ...]
How large. [1 2]

training:
--rate FLOAT Rate, at most 100 %. [0.1]

running:
--out PATH Where results go.
--seed INT Seed of all random numbers. [0]
--most INT How many. [all]
--quick Soon.
--no-native By C.
-h, --help Show this text and exit."""


def test_help_has_groups_and_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit) as left:
        read("--help")
    assert not left.value.code
    # Columns are those of Python's version.
    assert capsys.readouterr().out.split() == HELP.split()


def test_every_option_has_a_text_and_groups_name_options():
    for command in (TrainEnsemble, Oscillators):
        options = list(options_of(command))
        assert all(option.help for option in options)
        grouped = {name for names in command.GROUPS.values() for name in names}
        assert grouped <= {option.name for option in options}


def test_an_option_without_a_text_is_a_mistake():
    @dataclass
    class Silent:
        words: str = field(default="")

    with pytest.raises(KeyError, match="words"):
        list(options_of(Silent))
