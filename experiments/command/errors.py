"""How a command ends that the user must act on: one line on standard error."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT

from experiments.command.signals import INTERRUPTED, raise_at_interrupt


class UserError(Exception):
    """Says in one line what was wrong, with which value, and what to do instead."""


class Interrupted(Exception):
    """Says in one line how to go on after the signal `number` has ended a command."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number


def reports_user_errors(main: Callable[..., object]) -> Callable[..., None]:
    """Make a command print a `UserError` as one line and exit with status 2.

    `Interrupted`: as one line, with the status that a shell gives to the signal, 130
    for SIGINT and 143 for SIGTERM.
    """

    @functools.wraps(main)
    def wrapped(*arguments, **keywords):
        try:
            raise_at_interrupt()
            main(*arguments, **keywords)
        except UserError as error:
            _leave(f"error: {error}", 2)
        except Interrupted as interrupted:
            _leave(str(interrupted), 128 + interrupted.number)
        except KeyboardInterrupt:
            _leave(INTERRUPTED, 128 + SIGINT)

    return wrapped


@contextlib.contextmanager
def reports_unwritable(
    place: Path | str, way_out: str = "choose another directory"
) -> Iterator[None]:
    """Make an `OSError` of writing in a `place` a `UserError` with a way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{place} cannot be written ({reason}): {way_out}") from error


def _leave(line: str, status: int):
    print(line, file=sys.stderr)
    sys.exit(status)
