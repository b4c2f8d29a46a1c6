"""Settings in a file: `--config` reads it, and every run writes its `settings.toml`."""

import json
import tomllib
from dataclasses import fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from experiments.command.errors import UserError
from experiments.command.invocation import called
from experiments.command.parser import app_of
from experiments.data.datasets import own_file

SETTINGS = "settings.toml"

OF_A_CALL = {"out", "config", "resume", "dry_run", "distributed", "measure_again"}
OF_A_CALL |= {"no_cache"}
"""Options that say what is done this time, and nothing of what comes out."""


def from_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection):
    """Look up in the file of `--config` what the command line does not say.

    **Raises:** `UserError` when the file cannot be read, `CycloptsError` when it says
    what is no option.
    """
    config = arguments.get("--config", default=None)
    if config is None or not config.tokens:
        return
    path = config.tokens[-1].value
    place = f"--config {path}"
    others = ArgumentCollection(each for each in arguments if each is not config)
    Dict(_read(Path(path), place), source=place)(app, commands, others)


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


def settings_text(options: Any, command: str) -> str:
    """All settings that have a value, so that `from_file` finds the same ones.

    **Arguments:** `options`, those that the `command` was given.
    """
    values = _values(options)
    values["dataset"] = own_file(values["dataset"]) or values["dataset"]
    lines = [
        f"# {called(command)} --config {SETTINGS} --out DIRECTORY",
        f"# trains the same again; written by nelc_jax {metadata.version('nelc_jax')}.",
    ]
    known = app_of(type(options), command).assemble_argument_collection()
    for group in sorted(known.groups, key=lambda group: group.sort_key):
        names = [each.field_info.name for each in known.filter_by(group=group)]
        settings = [
            f"{name} = {_toml(values[name])}"
            for name in names
            if name not in OF_A_CALL and values.get(name) is not None
        ]
        lines += ["", f"# {group.name}", *settings] if settings else []
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
