"""Errors that a user can mend: one line on standard error, exit status 2."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


class UserError(Exception):
    """Says in one line what was wrong, with which value, and what to do instead."""


def reports_user_errors(main: Callable[..., object]) -> Callable[..., None]:
    """Make a command print a `UserError` as one line and exit with status 2."""

    @functools.wraps(main)
    def wrapped(*arguments, **keywords):
        try:
            main(*arguments, **keywords)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return wrapped


@contextlib.contextmanager
def reports_unwritable(path: Path) -> Iterator[None]:
    """Make an `OSError` of writing below `path` a `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}): choose another directory"
        ) from error
