"""How a command ends that the user must act on: one line on standard error."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT

from experiments.command.signals import INTERRUPTED, raised_signals
from experiments.command.streams import forgiving_streams


class UserError(Exception):
    """Says in one line what was wrong, with which value, and what to do instead."""

    def __init__(self, message: str):
        # What others say in it may have several.
        super().__init__(" ".join(line.strip() for line in message.splitlines()))


class Interrupted(Exception):
    """Says in one line how to go on after the signal `number` has ended a command."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number


def reports_user_errors(main: Callable[..., object]) -> Callable[..., None]:
    """Make a command print a `UserError` as one line and exit with status 2.

    A signal: as one line, with the status that a shell gives to it, 130 for SIGINT and
    143 for SIGTERM. Where nobody reads what it says, it does its work nevertheless.
    """

    @functools.wraps(main)
    def wrapped(*arguments, **keywords):
        with forgiving_streams():
            try:
                with raised_signals(), _all_transfers():
                    main(*arguments, **keywords)
            except UserError as error:
                _leave(f"error: {error}", 2)
            except Interrupted as interrupted:
                _leave(str(interrupted), 128 + interrupted.number)
            except KeyboardInterrupt as interruption:
                _leave(INTERRUPTED, 128 + getattr(interruption, "number", SIGINT))

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


def _all_transfers():
    """Data may move between host and devices, also where JAX was told to forbid it.

    That is for programs that compute only, and a command reads and writes files.
    """
    # Here: this module is imported before JAX, which takes a second.
    import jax

    return jax.transfer_guard("allow")


def _leave(line: str, status: int):
    print(line, file=sys.stderr)
    sys.exit(status)
