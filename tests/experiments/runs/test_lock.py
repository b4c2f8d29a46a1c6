"""Directories that are held: by one process at a time, for one command."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.command.errors import UserError
from experiments.runs.directory import create_run_directory
from experiments.runs.lock import claimed, locked


def test_a_directory_is_held_by_one_process_at_a_time(tmp_path):
    out = tmp_path / "run"
    with locked(out):
        with (
            pytest.raises(UserError, match="is in use by another process"),
            locked(out),
        ):
            pass
        # Held, but still vacant for the run of this process.
        create_run_directory(out, {"seed": 1})
    with locked(out):
        pass
    with (
        pytest.raises(UserError, match="cannot be written"),
        locked(out / "config.json"),
    ):
        pass


def test_another_process_holds_a_directory_as_long_as_it_lives(tmp_path):
    program = (
        "import pathlib, sys; from experiments.runs.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match="is in use by another process"),
            locked(tmp_path),
        ):
            pass
        # However it ends.
        process.kill()
        process.wait()
        with locked(tmp_path):
            pass


def test_a_command_takes_up_what_it_left(tmp_path):
    out = tmp_path / "out"
    for model in (1, 2):
        with claimed(out, {"command": "sample", "model": model}):
            (out / "samples.npz").write_text(str(model))
    with (
        pytest.raises(UserError, match="already holds a run"),
        claimed(out, {"command": "compare"}),
    ):
        pass
    assert '"model": 2' in (out / "config.json").read_text()
    (tmp_path / "mine").write_text("")
    with (
        pytest.raises(UserError, match="is not empty"),
        claimed(tmp_path, {"command": "x"}),
    ):
        pass
    assert not (tmp_path / ".lock").exists()
    with (
        pytest.raises(UserError, match=r"out cannot be written \(disk full\)"),
        claimed(out, {"command": "sample"}),
    ):
        raise OSError("disk full")
