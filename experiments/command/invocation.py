"""How a command was called, and how to call it again."""

import sys
from pathlib import Path

_SCRIPT = "nelc-jax"
_BY_SCRIPT = {"train_ensemble": "train"}


def called(command: str) -> str:
    """A command as whoever runs it calls it: by the console script, or as a module."""
    if Path(sys.argv[0]).stem == _SCRIPT:
        return f"{_SCRIPT} {_BY_SCRIPT.get(command, command)}"
    return f"python -m experiments.{command}"
