"""Processes that are killed, in this one: at a rename, with nothing done after it."""

import os
from pathlib import Path

import pytest


class Killed(BaseException):
    """Not caught by anything: what a kill does."""


class Kill:
    """Within, the rename after so many ends all: nothing is cleaned up.

    `done` says whether it came to that.
    """

    def __init__(self, count: int):
        self._left = count
        self.done = False

    def __enter__(self):
        self._patch = pytest.MonkeyPatch()
        replace, unlink = os.replace, Path.unlink

        def renamed(*arguments):
            self.done = self.done or self._left == 0
            if self.done:
                raise Killed
            self._left -= 1
            replace(*arguments)

        def unlinked(*arguments, **named):
            if self.done:
                raise Killed
            unlink(*arguments, **named)

        self._patch.setattr(os, "replace", renamed)
        self._patch.setattr(Path, "unlink", unlinked)
        return self

    def __exit__(self, kind, error, traceback):
        self._patch.undo()
        return kind is Killed
