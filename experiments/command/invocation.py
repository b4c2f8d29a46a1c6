"""How a command was called, and how to call it again."""

import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import experiments

CALL = ("command_line", "date", "commit")
RESUMED = "resumed"
"""What `config.json` has of a call, and of those that went on with a run."""

_SCRIPT = "nelc-jax"
_BY_SCRIPT = {"train_ensemble": "train"}


def called(command: str) -> str:
    """A command as whoever runs it calls it: by the console script, or as a module."""
    if _by_script():
        return f"{_SCRIPT} {_BY_SCRIPT.get(command, command)}"
    return f"python -m experiments.{command}"


def call() -> dict[str, str]:
    """The command line of this process, the date and, in a clone, the commit."""
    line = [_SCRIPT, *sys.argv[1:]] if _by_script() else sys.orig_argv
    found = {
        "command_line": shlex.join(line),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    commit = _commit()
    return found if commit is None else {**found, "commit": commit}


def continued(now: Mapping, before: Iterable[Mapping]) -> dict:
    """How a run was begun, and all calls that went on with it.

    **Arguments:** `now`, the settings of the present call; `before`, those that its
    files have.
    """
    last = max(before, key=lambda config: len(config.get(RESUMED, ())))
    first = {name: last[name] for name in CALL if name in last}
    resumed = {name: now[name] for name in CALL if name in now}
    return {**first, RESUMED: [*last.get(RESUMED, ()), resumed]}


def _by_script() -> bool:
    return Path(sys.argv[0]).stem == _SCRIPT


@cache
def _commit() -> str | None:
    """The commit of the clone that these files are of, `-dirty` where they changed."""
    clone = Path(str(experiments.__file__)).parents[1]
    if not (clone / ".git").exists():
        return None
    # The hash alone: tags have other names tomorrow.
    describe = "describe --always --dirty --abbrev=40 --exclude=*"
    command = ["git", "-C", str(clone), *describe.split()]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
