"""Signals that ask a command to stop: noticed at once, obeyed where it can save."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NOTICED = (signal.SIGINT, signal.SIGTERM)


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
