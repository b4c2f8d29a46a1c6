"""The figures and the report of a finished run again."""

import errno
import os
import signal

import jax
import pytest
from matplotlib.image import imread

from experiments import figures, sample, show
from experiments.command.errors import UserError, reports_user_errors
from experiments.command.signals import NOTICED
from experiments.runs.files import is_leftover
from experiments.runs.lock import locked

from .killed import Kill


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(figures, "DOTS_PER_INCH", 40)


def leftovers(directory):
    return [path for path in directory.rglob("*") if is_leftover(path)]


def test_show_makes_figures_and_report_again(finished, capsys):
    old = finished / "figures" / "fig2.png"
    old.parent.mkdir()
    old.write_bytes(b"old")
    report = show.main([str(finished)])
    assert capsys.readouterr().out == f"{report}\n"
    names = {path.name for path in old.parent.iterdir()}
    assert {"fig2.png", "fig2.pdf", "fig3_best.png", "fig3_worst.png"} <= names
    assert {"cycle_best.png", "cycle_best.pdf", "cycle_worst.png"} <= names
    assert imread(old).size
    assert report.read_text().count("data:image/png;base64,") == 6


def test_links_at_figures_are_replaced_and_leftovers_removed(finished, tmp_path, blank):
    """After a kill; what a link leads to is as it was."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (finished / "figures").mkdir()
    links = [finished / "figures" / "fig2.pdf", finished / "report.html"]
    for link in links:
        link.symlink_to(mine)
    with Kill(1) as kill:
        show.main([str(finished)])
    assert kill.done
    assert len(leftovers(finished)) == 1
    show.main([str(finished)])
    assert leftovers(finished) == []
    assert mine.read_text() == "mine"
    assert not any(link.is_symlink() for link in links)


def test_not_into_a_run_that_goes_on(finished):
    with locked(finished), pytest.raises(UserError, match="in use by another process"):
        show.main([str(finished)])
    assert not (finished / "report.html").exists()


COMMANDS = {"show": (show, []), "sample": (sample, ["--samples", "4", "--steps", "3"])}


def run(command, finished):
    module, options = COMMANDS[command]
    reports_user_errors(module.main)([str(finished), *options])


@pytest.mark.usefixtures("blank")
@pytest.mark.parametrize(
    ("command", "number"),
    [*(("show", number) for number in NOTICED), ("sample", signal.SIGTERM)],
)
def test_a_signal_leaves_nothing_half_written(
    finished, monkeypatch, capsys, command, number
):
    fsync = os.fsync

    def signalled(descriptor):
        signal.raise_signal(number)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", signalled)
    with pytest.raises(SystemExit) as left:
        run(command, finished)
    assert left.value.code == 128 + number
    assert capsys.readouterr().err == "interrupted\n"
    assert leftovers(finished) == []


@pytest.mark.usefixtures("blank")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_fills_up_in_a_figure_is_one_line(
    finished, monkeypatch, capsys, command
):
    fsync, done = os.fsync, []

    def full(descriptor):
        done.append(descriptor)
        if len(done) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit) as left:
        run(command, finished)
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written (No space left on device)" in line


def test_transfers_that_jax_was_told_to_forbid(finished, blank):
    with jax.transfer_guard("disallow"):
        run("sample", finished)
