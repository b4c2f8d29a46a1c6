"""Words that nobody hears: a command does its work, and ends as if all were well."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.command.errors import UserError, reports_user_errors
from experiments.command.streams import forgiving_streams, progress_bar, write_above

ROOT = Path(__file__).parents[3]


def broken_pipe():
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w", buffering=1)


def full():
    return os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.fixture(params=[broken_pipe, full, closed, None])
def stream(request):
    """A stream that takes no words; None, as Python has it where there is none."""
    if request.param is None:
        yield None
        return
    made = request.param()
    yield made
    if made.closed:
        return
    # The control: it is what it should be. Python would say so when it is closed.
    with pytest.raises(OSError, match=r"Broken pipe|No space"):
        print("words", file=made, flush=True)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, made.fileno())
    os.close(nothing)
    made.close()


def test_a_progress_bar_outlives_its_stream(monkeypatch, stream):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        with progress_bar(total=3, mininterval=0) as bar:
            for _ in range(3):
                bar.update()
                bar.set_postfix_str("words")
                write_above(bar, "more words")
    assert bar.n == 3


def test_without_a_terminal_progress_is_a_line_a_tenth_of_the_way(capsys):
    with progress_bar(total=25, unit="epoch", desc="training") as bar:
        for step in range(25):
            bar.set_postfix_str(f"L = {step}")
            bar.update()
            if step == 12:
                write_above(bar, "words")
    for _ in progress_bar([1, 2], unit="ensemble", desc="verdict"):
        pass
    shown = capsys.readouterr().err
    assert "\r" not in shown
    lines = shown.splitlines()
    assert lines.pop(5) == "words"
    done = [line.split()[1] for line in lines]
    tenths = [f"{n}/25" for n in (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)]
    assert done == [*tenths, "1/2", "2/2"]
    form = r"training: 3/25 epochs, \d\d:\d\d gone, \d\d:\d\d left, L = 2"
    assert re.fullmatch(form, lines[0])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_progress_is_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar(total=25) as bar:
        bar.update(25)
    assert "\r100%|" in terminal.getvalue()


@pytest.mark.parametrize("commanded", [False, True])
def test_a_line_above_a_bar_is_a_line_of_its_own(capsys, commanded):
    streams = forgiving_streams() if commanded else contextlib.nullcontext()
    with streams, progress_bar(total=3, mininterval=0) as bar:
        bar.update()
        write_above(bar, "words")
    lines = re.split(r"[\r\n]+", capsys.readouterr().err)
    assert "words" in [line.strip() for line in lines]


def test_a_command_outlives_its_streams(monkeypatch, stream):
    done = []

    @reports_user_errors
    def command(error=None):
        print("words")
        print("more", file=sys.stderr, flush=True)
        done.append(error)
        if error:
            raise error

    with monkeypatch.context() as patch:
        # Afterwards the descriptor leads nowhere, so that Python can end.
        copy = None if stream is None or stream.closed else os.dup(stream.fileno())
        for name in ("stdout", "stderr"):
            patch.setattr(sys, name, stream)
        command()
        with pytest.raises(SystemExit) as left:
            command(UserError("no"))
        if copy is not None:
            stream.flush()
            os.dup2(copy, stream.fileno())
            os.close(copy)
    assert left.value.code == 2
    assert len(done) == 2


def test_a_process_that_can_say_nothing():
    program = f"exec {sys.executable} -m experiments.show --help 2>&- >/dev/full"
    done = subprocess.run(["sh", "-c", program], cwd=ROOT, timeout=120)
    assert done.returncode == 0
