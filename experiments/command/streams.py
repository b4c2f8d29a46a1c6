"""What a command says, where nobody may be listening any more."""

import contextlib
import os
import sys
from collections.abc import Iterator

from tqdm import tqdm


class Forgiving:
    """A text stream that drops what cannot be written: closed, broken, full, or None.

    Words are not worth the work that an error on the way to them would lose.
    """

    def __init__(self, stream):
        self._stream = stream._stream if isinstance(stream, Forgiving) else stream

    def __eq__(self, other) -> bool:
        # tqdm asks whether a line goes where a bar is, to write it above the bar.
        return self._stream is getattr(other, "_stream", other)

    def __hash__(self) -> int:
        return id(self._stream)

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what can be passed on."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal, of which there is one."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return self._stream.isatty()
        return False

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


class ProgressLines(tqdm):
    """In place of a bar, a line of a log for each tenth of the way."""

    FORM = "{desc}: {n_fmt}/{total_fmt} {unit}s, {elapsed} gone, {remaining} left"

    def __init__(self, *arguments, **options):
        self._tenths = 0
        # Every step is looked at, and nothing follows the last line.
        every = {"mininterval": 0, "miniters": 1, "leave": False}
        super().__init__(
            *arguments, **options | every, bar_format=f"{self.FORM}{{postfix}}"
        )

    def display(self, msg=None, pos=None) -> None:
        """Write a line, if another tenth is done."""
        tenths = 10 * self.n // max(self.total, 1)
        if tenths > self._tenths:
            self._tenths = tenths
            self.fp.write(f"{self}\n")
            self.fp.flush()

    def clear(self, nolock=False) -> None:
        """Nothing: what is written stays."""


def progress_bar(*arguments, **options) -> tqdm:
    """Progress on standard error, whose end does not stop it.

    A bar on a terminal, and lines of a log elsewhere.
    """
    stream = Forgiving(sys.stderr)
    bar = tqdm if stream.isatty() else ProgressLines
    return bar(*arguments, file=stream, **options)


def write_above(bar: tqdm, line: str) -> None:
    """Write a line on standard error, above a progress bar."""
    bar.write(line, file=Forgiving(sys.stderr))


@contextlib.contextmanager
def forgiving_streams() -> Iterator[None]:
    """Within, standard output and error are `Forgiving`; afterwards they can be closed.

    Else Python, when it ends, would report what is left in a broken stream.
    """
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Forgiving, streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in filter(None, streams):
            try:
                stream.flush()
            except ValueError:
                # Closed by its owner.
                pass
            except OSError:
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)
