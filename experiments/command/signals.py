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

NOTICED = (signal.SIGINT, signal.SIGTERM)


INTERRUPTED = "interrupted"
"""What a command says that Ctrl-C ends before it has anything to save."""


def leave_at_interrupt() -> None:
    """From now on SIGINT ends the process at once: one line, exit status 130.

    For the imports of a command, which `KeyboardInterrupt` would leave by a traceback,
    or which would take it for a missing package. Nothing has begun then, so nothing is
    cleaned up. No effect where the process was started to ignore SIGINT (`nohup`).
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(number, frame):
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(128 + number)


def raise_at_interrupt() -> None:
    """Undo `leave_at_interrupt`: SIGINT raises `KeyboardInterrupt` again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Stop:
    """`signal` is the number of the one that asked the command to stop, or None."""

    signal: int | None = None


@contextmanager
def noticed_signals() -> Iterator[Stop]:
    """Within, SIGINT and SIGTERM only set `signal` of the `Stop` that this yields.

    Signals that the process was started to ignore stay ignored (`nohup`).
    """
    stop = Stop()
    previous = {}

    def notice(number, frame):
        stop.signal = number

    # Python takes handlers from the main thread only.
    if threading.current_thread() is threading.main_thread():
        for number in NOTICED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, notice)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            # None: a handler that was not installed from Python cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
