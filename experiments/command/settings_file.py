"""Settings in a file: `--config` reads it, and every run writes its `settings.toml`."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.command.errors import UserError
from experiments.command.invocation import called
from experiments.command.parser import LineParser, Option, options_of
from experiments.data.datasets import own_file

SETTINGS = "settings.toml"

OF_A_CALL = {"out", "config", "resume", "dry_run", "distributed", "measure_again"}
OF_A_CALL |= {"no_cache"}
"""Options that say what is done this time, and nothing of what comes out."""


def with_settings(
    options: type, command: str, arguments: Sequence[str]
) -> Sequence[str]:
    """Arguments with those in front that the file of `--config` says.

    So what is given on the command line itself comes later, and counts.

    **Arguments:** `options`, the dataclass of the `command`, which may have no such
    option.

    **Raises:** `UserError` when the file cannot be read, or says what is no option.
    """
    known = {option.name: option for option in options_of(options)}
    if known.pop("config", None) is None:
        return arguments
    parser = LineParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config")
    found, rest = parser.parse_known_args(list(arguments))
    if found.config is None:
        return rest
    place = f"--config {found.config}"
    given = []
    for key, value in _read(Path(found.config), place).items():
        name = key.replace("-", "_")
        if name not in known or known[name].positional:
            near = get_close_matches(name, known, 1)
            way_out = f"did you mean {near[0]}?" if near else "leave it away"
            raise UserError(f"{place}: {key} is no setting of {command}: {way_out}")
        given += _as_argument(known[name], value, place)
    return [*given, *rest]


def _read(path: Path, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{place} cannot be read ({error.strerror}): give a file such as the "
            f"{SETTINGS} of a run"
        ) from error
    except ValueError as error:
        raise UserError(f"{place} is not TOML: {error}") from error


def _as_argument(option: Option, value: Any, place: str) -> list[str]:
    kinds = bool if option.switch else (int, float, str)
    if not isinstance(value, kinds) or isinstance(value, bool) != option.switch:
        expected = "true or false" if option.switch else "a number or text"
        raise UserError(f"{place}: {option.name} is {value!r}: expected {expected}")
    if option.switch:
        return [option.flag if value else option.opposite]
    return [f"{option.flag}={value}"]


def settings_text(options: Any, command: str) -> str:
    """All settings that have a value, so that `with_settings` finds the same ones.

    **Arguments:** `options`, those that the `command` was given.
    """
    values = _values(options)
    values["dataset"] = own_file(values["dataset"]) or values["dataset"]
    lines = [
        f"# {called(command)} --config {SETTINGS} --out DIRECTORY",
        f"# trains the same again; written by nelc_jax {metadata.version('nelc_jax')}.",
    ]
    group = None
    for option in sorted(options_of(type(options)), key=lambda option: option.rank):
        value = values[option.name]
        if option.name in OF_A_CALL or value is None:
            continue
        if option.group != group:
            group = option.group
            lines += ["", f"# {group}"]
        lines.append(f"{option.name} = {_toml(value)}")
    return "\n".join([*lines, ""])


def _values(options: Any) -> dict[str, Any]:
    found = {}
    for field in fields(options):
        value = getattr(options, field.name)
        found |= _values(value) if is_dataclass(value) else {field.name: value}
    return found


def _toml(value: bool | int | float | str | Path) -> str:
    if isinstance(value, Path):
        value = str(value.absolute())
    # Its words for text, numbers and truth are TOML's.
    return json.dumps(value)
