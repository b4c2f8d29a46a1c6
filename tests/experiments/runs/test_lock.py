"""Directories that are held: by one process at a time, for one command."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.command.errors import UserError
from experiments.data.datasets import load_dataset
from experiments.runs import lock as lock_module
from experiments.runs.directory import (
    check_begun,
    check_vacant,
    create_run_directory,
    holds_results,
)
from experiments.runs.files import is_leftover, remove_leftovers
from experiments.runs.finished import open_run
from experiments.runs.lock import claimed, locked, taken_up

from ..killed import Kill


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
        with claimed(out, {"command": "sample", "model": model}, ["samples.npz"]):
            assert not (out / "samples.npz").exists()
            assert not holds_results(out)
            (out / "samples.npz").write_text(str(model))
        assert holds_results(out)
    with (
        pytest.raises(UserError, match="already holds a run"),
        claimed(out, {"command": "compare"}, []),
    ):
        pass
    assert '"model": 2' in (out / "config.json").read_text()
    (tmp_path / "mine").write_text("")
    with (
        pytest.raises(UserError, match="is not empty"),
        claimed(tmp_path, {"command": "x"}, []),
    ):
        pass
    assert not (tmp_path / ".lock").exists()
    with (
        pytest.raises(UserError, match=r"out cannot be written \(disk full\)"),
        claimed(out, {"command": "sample"}, ["samples.npz"]),
    ):
        raise OSError("disk full")
    assert not holds_results(out)


def test_a_second_command_into_a_running_one_changes_nothing(tmp_path):
    out = tmp_path / "out"
    with claimed(out, {"command": "compare", "seed": 1}, ["compare.md"]):
        (out / "compare.md").write_text("the first")
        with (
            pytest.raises(UserError, match="is in use by another process"),
            claimed(out, {"command": "compare", "seed": 2}, ["compare.md"]),
        ):
            pass
    assert (out / "compare.md").read_text() == "the first"
    assert '"seed": 1' in (out / "config.json").read_text()


def test_killed_in_the_first_write_of_its_settings_it_goes_on(tmp_path):
    out = tmp_path / "out"
    for hold in (
        lambda: claimed(out, {"command": "sample"}, []),
        lambda: taken_up(out, {"command": "oscillators"}),
    ):
        with Kill(0) as kill, hold():
            pass
        assert kill.done
        assert not (out / "config.json").exists()
        with hold():
            pass
        assert not [path for path in out.iterdir() if is_leftover(path)]
        shutil.rmtree(out)


def test_of_two_runs_only_a_finished_one_is_in_the_way(tmp_path):
    out = tmp_path / "out"
    config = {"command": "oscillators"}
    for _ in range(2):
        with taken_up(out, config):
            pass
    (out / "report.html").write_text("")
    with pytest.raises(UserError, match="already holds a run"), taken_up(out, config):
        pass


def test_files_of_others_are_left_alone(tmp_path):
    """A link in the place of the lock, a pipe, and what looks like a leftover."""
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.write_text("mine")
    out.mkdir()
    lock = out / ".lock"
    for make in (
        lambda: lock.symlink_to(mine),
        lambda: lock.symlink_to(tmp_path / "nothing"),
        lambda: os.mkfifo(lock),
        lambda: lock.write_text("mine"),
        lock.mkdir,
    ):
        make()
        with (
            pytest.raises(UserError, match="lock is not an empty file: remove it"),
            locked(out),
        ):
            pass
        lock.rmdir() if lock.is_dir() else lock.unlink()
    assert mine.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()
    (out / ".anything.part").write_text("mine")
    with (
        pytest.raises(UserError, match="is not empty"),
        claimed(out, {"command": "x"}, []),
    ):
        pass
    remove_leftovers(out)
    assert (out / ".anything.part").read_text() == "mine"


def test_files_of_the_system_are_in_nobodys_way(tmp_path):
    for name in (".DS_Store", ".nfs00000001", "slurm-17.out"):
        (tmp_path / name).write_text("")
    check_vacant(tmp_path)
    (tmp_path / "slurm.txt").write_text("")
    with pytest.raises(UserError, match="is not empty"):
        check_vacant(tmp_path)


def test_a_name_that_no_file_can_have(tmp_path):
    for hold in (
        lambda out: claimed(out, {"command": "compare"}, []),
        lambda out: taken_up(out, {"command": "oscillators"}),
        locked,
    ):
        with (
            pytest.raises(UserError, match=r"cannot be written \(File name too long\)"),
            hold(tmp_path / ("x" * 300)),
        ):
            pass


@pytest.fixture
def unsearchable(tmp_path):
    """A path in a directory that this process may not search."""
    tmp_path.chmod(0o600)
    if os.geteuid() == 0:
        # Root may search all.
        os.seteuid(65534)
    yield tmp_path / "out"
    os.seteuid(os.getuid())
    tmp_path.chmod(0o700)


def test_a_directory_that_may_not_be_searched_is_one_line(unsearchable):
    def hold(way):
        with way(unsearchable):
            pass

    for way in (
        lambda out: claimed(out, {"command": "compare"}, []),
        lambda out: taken_up(out, {"command": "oscillators"}),
        locked,
        check_begun,
        open_run,
    ):
        with pytest.raises(UserError, match="Permission denied"):
            hold(way)
    with pytest.raises(UserError, match="Permission denied"):
        load_dataset(str(unsearchable.with_suffix(".npz")))
    with pytest.raises(UserError, match=r"holds no train\*-images|Permission denied"):
        load_dataset("mnist", unsearchable)


def test_a_file_system_without_locks_holds_nothing(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock_module.FileLock, "acquire", none)
    with locked(tmp_path), locked(tmp_path):
        pass


def test_killed_between_its_settings_it_is_known_by_the_first(tmp_path):
    out = tmp_path / "out"
    with Kill(1) as kill, claimed(out, {"command": "sample"}, [], "seed = 1"):
        pass
    assert kill.done
    with claimed(out, {"command": "sample"}, [], "seed = 1"):
        pass
    assert (out / "settings.toml").read_text() == "seed = 1"


def test_a_folder_that_is_elsewhere_is_not_written_to(tmp_path):
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    with claimed(out, {"command": "sample"}, []):
        pass
    (out / "figures").symlink_to(mine)
    with (
        pytest.raises(UserError, match=r"figures is a link: remove it"),
        locked(out),
    ):
        pass
