"""A command line read into a dataclass: an option a field, the text below it its help.

What is wrong is one line, a `UserError`. A field may itself be a dataclass, whose
options are then those of the command as well. A class may have `GROUPS`, the fields
below each heading of `--help`; those that no group names are below `OTHERS`.
"""

import argparse
import ast
import inspect
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from experiments.command.errors import UserError

Options = TypeVar("Options")

POSITIONAL = "positional"
"""Annotates a field whose value is given without a name."""

OTHERS = "running"
"""The heading of the options that no group names."""

ORDER = ("model", "training", "measuring", OTHERS)


@dataclass(frozen=True)
class Option:
    """An option of a command: where its value goes, and what it may be."""

    name: str
    help: str
    group: str
    default: Any
    convert: Callable[[str], Any] | None
    metavar: str
    positional: bool = False
    several: bool = False

    @property
    def flag(self) -> str:
        """As it is written on the command line."""
        return self.name if self.positional else "--" + self.name.replace("_", "-")

    @property
    def switch(self) -> bool:
        """Whether it has no value."""
        return self.convert is None

    @property
    def opposite(self) -> str:
        """Of a switch, the flag that undoes it."""
        name = self.flag.removeprefix("--")
        if name.startswith("no-"):
            return "--" + name.removeprefix("no-")
        return f"--no-{name}"

    @property
    def rank(self) -> int:
        """The place of its group in `--help`."""
        return ORDER.index(self.group)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def _split_lines(self, text: str, width: int) -> list[str]:
        # The name of an option stays whole.
        return textwrap.wrap(text, width, break_on_hyphens=False)


class LineParser(argparse.ArgumentParser):
    """What is wrong is one line, a `UserError`."""

    def error(self, message: str) -> NoReturn:
        """Say it, without the usage."""
        raise UserError(message.removeprefix("argument "))


def read_options(
    options: type[Options], prog: str, arguments: Sequence[str] | None = None
) -> Options:
    """Read `arguments` into the dataclass `options`; `--help` prints and exits.

    **Arguments:** `prog`, how the command is called; `arguments`, by default those of
    the process.

    **Raises:** `UserError` for an option that there is not, with the nearest that there
    is; for a value that is not of the option's type; and for one that is missing.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    known = list(options_of(options))
    parser = _parser(options, known, prog)
    found, unknown = parser.parse_known_args(list(map(_hyphenated, arguments)))
    for text in sorted(unknown, key=lambda text: not text.startswith("-")):
        raise UserError(_unknown(text, known, prog))
    values = {n: each for n, each in vars(found).items() if each is not MISSING}
    for option in known:
        if option.default is MISSING and option.name not in values:
            raise UserError(f"{option.flag} is missing: {prog} --help says what it is")
    return _build(options, values)


def options_of(options: type) -> Iterator[Option]:
    """The options of a dataclass, in the order of its fields."""
    hints, helps = get_type_hints(options, include_extras=True), _helps(options)
    groups = getattr(options, "GROUPS", {})
    group_of = {name: title for title, names in groups.items() for name in names}
    for field in fields(options):  # pyright: ignore[reportArgumentType]
        hint = hints[field.name]
        if is_dataclass(hint):
            yield from options_of(hint)  # pyright: ignore[reportArgumentType]
        else:
            group = group_of.get(field.name, OTHERS)
            yield _option(field, hint, helps[field.name], group)


def _option(field: Field, hint: Any, text: str, group: str) -> Option:
    positional = False
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        positional = POSITIONAL in marks
    default = field.default
    if hint is bool:
        return Option(field.name, text, group, default, None, "")
    several = get_origin(hint) is tuple
    if several:
        hint = get_args(hint)[0]
    optional = get_origin(hint) in (Union, UnionType)
    if optional:
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    metavar, expected, convert = _of_type(hint)
    flag = field.name if positional else "--" + field.name.replace("_", "-")

    def checked(value: str) -> Any:
        if optional and value == "None":
            return None
        try:
            return convert(value)
        except (ValueError, KeyError) as error:
            raise UserError(f"{flag} {value}: expected {expected}") from error

    name = field.name
    return Option(name, text, group, default, checked, metavar, positional, several)


def _of_type(hint: Any) -> tuple[str, str, Callable[[str], Any]]:
    """What stands for a value in `--help`, what is expected, and how it is read."""
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        named = {str(choice): choice for choice in choices}
        expected = f"{', '.join(map(str, choices[:-1]))} or {choices[-1]}"
        return "|".join(named), expected, named.__getitem__
    return {
        int: ("INT", "a whole number", int),
        float: ("FLOAT", "a number", float),
        str: ("TEXT", "text", str),
        Path: ("PATH", "a path", Path),
    }[hint]


def _helps(options: type) -> dict[str, str]:
    """The text below each field; of one that a subclass has too, the subclass's."""
    found: dict[str, str] = {}
    for cls in reversed(options.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _parser(options: type, known: list[Option], prog: str) -> LineParser:
    positionals = [option for option in known if option.positional]
    needed = [option for option in known if option.default is MISSING]
    usage = [option.metavar for option in positionals]
    usage += [f"{o.flag} {o.metavar}" for o in needed if not o.positional]
    width = min(shutil.get_terminal_size().columns, 100)
    parser = LineParser(
        prog,
        " ".join([prog, *usage, "[options]"]),
        inspect.getdoc(options),
        formatter_class=partial(_Formatter, max_help_position=26, width=width),
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    for option in positionals:
        _add(parser, option)
    for title in ORDER:
        members = [o for o in known if o.group == title and not o.positional]
        alone = len(members) == len(known) - len(positionals)
        group = parser.add_argument_group("options" if alone else title)
        for option in members:
            _add(group, option)
        if title == OTHERS:
            say = "Show this text and exit."
            group.add_argument("-h", "--help", action="help", help=say)
    return parser


def _add(group: argparse._ActionsContainer, option: Option) -> None:
    default = option.default
    text = option.help
    if not option.switch and default is not MISSING and default is not None:
        words = " ".join(map(str, default)) if option.several else default
        text = f"{text} [{words}]"
    keywords: dict[str, Any] = {"help": text.replace("%", "%%")}
    if option.switch:
        _add_switch(group, option, keywords["help"])
        return
    keywords |= {"type": option.convert, "metavar": option.metavar}
    if option.several:
        keywords["nargs"] = "+"
    if option.positional:
        # Its absence is told with that of the others.
        keywords |= {"nargs": "?", "default": MISSING}
    group.add_argument(option.flag, **keywords)


def _add_switch(group: argparse._ActionsContainer, option: Option, text: str) -> None:
    """The flag that changes the default; its opposite counts too, where it is last."""
    actions = {option.flag: "store_true", option.opposite: "store_false"}
    for flag, action in actions.items():
        shown = (action == "store_false") == option.default
        say = text if shown else argparse.SUPPRESS
        group.add_argument(flag, dest=option.name, action=action, help=say)


def _hyphenated(argument: str) -> str:
    """`--chain_length` is `--chain-length`."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _unknown(text: str, known: list[Option], prog: str) -> str:
    if not text.startswith("-"):
        return f"{text} belongs to no option: {prog} --help has them all"
    flag = text.partition("=")[0]
    flags = ["--help", *(option.flag for option in known if not option.positional)]
    near = get_close_matches(flag, flags, 1)
    if near:
        return f"{flag} is no option: did you mean {near[0]}?"
    return f"{flag} is no option: {prog} --help has them all"


def _build(options: type[Options], values: dict[str, Any]) -> Options:
    hints = get_type_hints(options)
    own: dict[str, Any] = {}
    for field in fields(options):  # pyright: ignore[reportArgumentType]
        if is_dataclass(hints[field.name]):
            own[field.name] = _build(hints[field.name], values)
        elif field.name in values:
            value = values[field.name]
            own[field.name] = tuple(value) if isinstance(value, list) else value
    return options(**own)
