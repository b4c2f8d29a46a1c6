"""Signals that ask a command to stop: noticed at once, obeyed where it can save.

A command imports this first and, where it is the program that runs, calls
`leave_at_interrupt` before its other imports, which take seconds. So it imports nothing
that is slow, and neither does `experiments` itself.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NOTICED = tuple(
    # Windows has no SIGHUP, which a connection that is lost sends.
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
)


INTERRUPTED = "interrupted"
"""What a command says that a signal ends before it has anything to save."""


class Interruption(KeyboardInterrupt):
    """A signal that asked a command to stop; `number` of it."""

    def __init__(self, number: int):
        super().__init__(INTERRUPTED)
        self.number = number


def leave_at_interrupt() -> None:
    """From now on such a signal ends the process at once: one line, and its status.

    For the imports of a command, which `KeyboardInterrupt` would leave by a traceback,
    or which would take it for a missing package. Nothing has begun then, so nothing is
    cleaned up. No effect where the process was started to ignore a signal (`nohup`).
    """
    for number in NOTICED:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _leave)


def _leave(number, frame):
    try:
        os.write(2, f"{INTERRUPTED}\n".encode())
    finally:
        os._exit(128 + number)


@contextmanager
def raised_signals() -> Iterator[None]:
    """Within, such a signal raises `Interruption`, so that a command can clean up."""

    def interrupt(number, frame):
        raise Interruption(number)

    with _handled(interrupt, _leave, signal.SIG_DFL, signal.default_int_handler):
        yield


class Stop:
    """`signal` is the number of the one that asked the command to stop, or None."""

    signal: int | None = None


@contextmanager
def noticed_signals() -> Iterator[Stop]:
    """Within, such signals only set `signal` of the `Stop` that this yields.

    Those that the process was started to ignore stay ignored (`nohup`).
    """
    stop = Stop()

    def notice(number, frame):
        stop.signal = number

    with _handled(notice):
        yield stop


@contextmanager
def _handled(handler, *instead_of) -> Iterator[None]:
    """Within, `handler` has the signals: those that had one of `instead_of`, if any."""
    previous = {}
    # Python takes handlers from the main thread only.
    if threading.current_thread() is threading.main_thread():
        for number in NOTICED:
            before = signal.getsignal(number)
            if before in instead_of if instead_of else before is not signal.SIG_IGN:
                previous[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in previous.items():
            # None: a handler that was not installed from Python cannot be put back.
            signal.signal(number, signal.SIG_DFL if before is None else before)
