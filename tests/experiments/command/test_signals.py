import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from experiments.command.errors import reports_user_errors
from experiments.command.signals import NOTICED, leave_at_interrupt, noticed_signals


def test_signals_are_noticed_and_given_back():
    before = [signal.getsignal(number) for number in NOTICED]
    for number in NOTICED:
        with noticed_signals() as stop:
            assert stop.signal is None
            signal.raise_signal(number)
            assert stop.signal == number
    assert [signal.getsignal(number) for number in NOTICED] == before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noticed_signals() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signal is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_goes_without():
    seen = []

    def work():
        with noticed_signals() as stop:
            seen.append(stop.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]


COMMANDS = (
    "train_ensemble",
    "compare",
    "compare_runs",
    "verdict",
    "horizon",
    "loops",
    "advantage",
    "oscillators",
    "sample",
    "show",
)
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("command", "number"),
    [*((c, signal.SIGINT) for c in COMMANDS), *(("show", n) for n in NOTICED[1:])],
)
def test_interrupted_imports_end_in_one_line(command, number, tmp_path):
    """Real processes, in which a module of the name of JAX gets the signal."""
    (tmp_path / "jax.py").write_text(
        f"import os\nos.kill(os.getpid(), {int(number)})\nraise ImportError"
    )
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{command}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    ended = (done.returncode, done.stderr, done.stdout)
    assert ended == (128 + number, "interrupted\n", "")


def test_imports_of_others_leave_signals_alone():
    """Importing is no reason to change what Ctrl-C does to somebody's program."""
    program = (
        "import signal; import experiments.command.errors; "
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("number", NOTICED)
def test_once_it_runs_a_command_can_clean_up(number, capsys):
    before = {each: signal.getsignal(each) for each in NOTICED}
    seen = []

    @reports_user_errors
    def command():
        try:
            signal.raise_signal(number)
        finally:
            seen.append("cleaned up")

    try:
        leave_at_interrupt()
        with pytest.raises(SystemExit) as stopped:
            command()
        assert stopped.value.code == 128 + number
        assert capsys.readouterr().err == "interrupted\n"
        assert seen == ["cleaned up"]
        signal.signal(number, signal.SIG_IGN)
        leave_at_interrupt()
        assert signal.getsignal(number) is signal.SIG_IGN
        command()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
