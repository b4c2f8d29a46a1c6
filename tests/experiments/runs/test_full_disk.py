"""Runs on a real file system that is full, or read-only: an own one in memory."""

import os
import subprocess

import pytest

from experiments import train_ensemble
from experiments.command.errors import reports_user_errors
from experiments.runs import directory as run_directory
from experiments.runs.groups import history_of, state_files
from experiments.runs.resume import read_checkpoint

from .. import brief

pytestmark = pytest.mark.usefixtures("short")

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def disk(tmp_path):
    """An empty file system, and what changes its options."""
    path = tmp_path / "disk"
    path.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "nelc", str(path)]
        return subprocess.run(command, capture_output=True, text=True)

    try:
        tried = mount("size=1m")
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if tried.returncode:
        pytest.skip(f"this process may not mount a tmpfs: {tried.stderr.strip()}")

    def remount(*options):
        done = mount("remount", *options)
        assert done.returncode == 0, done.stderr

    yield path, remount
    subprocess.run(["umount", str(path)], check=True)


def pages(path):
    return -(-path.stat().st_size // PAGE)


def failure(capsys, *command):
    """The line of a command that must fail with status 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        reports_user_errors(train_ensemble.main)(list(command))
    assert left.value.code == 2
    # The progress bar, which ends its own line, comes before.
    return capsys.readouterr().err.splitlines()[-1]


def test_a_run_outlives_a_full_disk(points, tmp_path, disk, capsys):
    path, remount = disk
    begin = ["--dataset", str(points), *brief.OPTIONS.split(), "--out"]
    unbroken = brief.begin(points, tmp_path / "unbroken")
    (state,) = state_files(unbroken)
    # Settings, histories and states of epoch 2 fit, not the next states beside them.
    own = (unbroken / "config.json", unbroken / "history.csv")
    files = (*own, state, history_of(state))
    remount(f"size={sum(map(pages, files)) * PAGE}")

    out = path / "run"
    line = failure(capsys, *begin, str(out))
    assert line == (
        f"error: --out {out} cannot be written (No space left on device): what was "
        "saved before is kept: make room, then repeat the command with --resume"
    )
    (file,) = state_files(out)
    assert read_checkpoint(file).epoch == 2
    # Repeated without room: the same, and nothing is lost.
    before = file.read_bytes()
    assert failure(capsys, "--resume", "--out", str(out)) == line
    assert file.read_bytes() == before

    remount("size=16m")
    brief.resume(out)
    brief.assert_same(out, unbroken)


def test_a_read_only_disk_is_named_and_left_alone(points, disk, capsys):
    path, remount = disk
    begin = ["--dataset", str(points), *brief.OPTIONS.split(), "--out"]
    out = path / "run"
    run_directory.create_run_directory(out, {"epochs": 4, "batch_epochs": 4})
    remount("ro")
    words = "cannot be written (Read-only file system): make it writable, or choose "
    line = failure(capsys, *begin, str(path / "new"))
    assert line == f"error: --out {path / 'new'} {words}another directory"
    line = failure(capsys, "--resume", "--out", str(out))
    assert line == f"error: --out {out} {words}another directory"
    remount("rw")
    assert [file.name for file in out.iterdir()] == ["config.json"]
    assert list(path.iterdir()) == [out]
