import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.command.errors import (
    Interrupted,
    UserError,
    reports_unwritable,
    reports_user_errors,
)
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run, create_run_directory, load_run, write_run


def test_round_trip(tmp_path):
    run = Run(
        config={"seed": 3, "image_shape": None},
        history={"epoch": np.array([1, 2]), "log_likelihood": np.array([-2.5, -1.25])},
        models={"model": np.array([0]), "entropy_production_rate": np.array([np.inf])},
        arrays={"w": np.arange(6.0, dtype=np.float32).reshape(1, 3, 2).transpose()},
    )
    out = tmp_path / "a" / "b"
    create_run_directory(out, {"seed": 3})
    write_run(out, run)
    loaded = load_run(out)
    assert loaded.config == run.config
    for name in ("history", "models", "arrays"):
        for key, array in getattr(run, name).items():
            read = getattr(loaded, name)[key]
            np.testing.assert_array_equal(read, array)
            assert read.dtype == array.dtype
    # Nothing but the files themselves: temporary ones were renamed or removed.
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.safetensors",
        "config.json",
        "history.csv",
        "models.csv",
    ]


def test_an_older_file_survives_a_failed_write(tmp_path):
    path = tmp_path / "models.csv"
    run_directory.write_table(path, {"model": np.array([1])})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="shorter"):
        run_directory.write_table(path, {"a": np.zeros(2), "b": np.zeros(1)})

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_directory._write(path, fail)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_occupied_and_unwritable_directories(tmp_path):
    create_run_directory(tmp_path / "run", {"seed": 1})
    before = (tmp_path / "run" / "config.json").read_text()
    with pytest.raises(UserError, match="already holds a run"):
        create_run_directory(tmp_path / "run", {"seed": 2})
    assert (tmp_path / "run" / "config.json").read_text() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        create_run_directory(tmp_path / "other", {})
    with pytest.raises(UserError, match="is not empty"):
        create_run_directory(tmp_path / "other" / "notes.txt", {})
    with pytest.raises(UserError, match="cannot be written"):
        create_run_directory(tmp_path / "other" / "notes.txt" / "run", {})


def test_unfinished_run(tmp_path):
    create_run_directory(tmp_path / "run", {})
    with pytest.raises(UserError, match=r"not a finished run: history.csv is missing"):
        load_run(tmp_path / "run")


def test_user_errors_are_one_line_and_status_2(capsys):
    @reports_user_errors
    def command():
        raise UserError("--seed -1: expected 0 or more")

    with pytest.raises(SystemExit) as exit_info:
        command()
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == "error: --seed -1: expected 0 or more\n"


def test_a_directory_is_held_by_one_process_at_a_time(tmp_path):
    out = tmp_path / "run"
    with run_directory.locked(out):
        with (
            pytest.raises(UserError, match="is in use by another process"),
            run_directory.locked(out),
        ):
            pass
        # Held, but still vacant for the run of this process.
        create_run_directory(out, {"seed": 1})
    with run_directory.locked(out):
        pass
    with (
        pytest.raises(UserError, match="cannot be written"),
        run_directory.locked(out / "config.json"),
    ):
        pass


def test_another_process_holds_a_directory_as_long_as_it_lives(tmp_path):
    program = (
        "import pathlib, sys; from experiments.runs.directory import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match="is in use by another process"),
            run_directory.locked(tmp_path),
        ):
            pass
        # However it ends.
        process.kill()
        process.wait()
        with run_directory.locked(tmp_path):
            pass


def test_what_a_killed_process_leaves_is_no_content(tmp_path):
    (tmp_path / ".config.json.x1y2.part").write_text("{")
    run_directory.check_vacant(tmp_path)
    run_directory.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine.part").write_text("")
    with pytest.raises(UserError, match="is not empty"):
        run_directory.check_vacant(tmp_path)


def test_interrupted_commands_exit_as_shells_expect(capsys):
    for error, status, line in (
        (Interrupted("stopped", 15), 143, "stopped\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ):

        @reports_user_errors
        def command(error=error):
            raise error

        with pytest.raises(SystemExit) as exit_info:
            command()
        assert exit_info.value.code == status
        assert capsys.readouterr().err == line


def test_what_cannot_be_written_has_a_reason(tmp_path):
    # NumPy's own errors of a full disk have no number of the system.
    for error, words in (
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("4096 requested and 0 written"), "4096 requested and 0 written"),
    ):
        with (
            pytest.raises(UserError, match=rf"cannot be written \({words}\)"),
            reports_unwritable(tmp_path),
        ):
            raise error
