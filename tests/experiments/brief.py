"""Runs that cost little: real training, and tables of no more than the parameters."""

import io
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments import train_ensemble
from experiments.command.errors import Interrupted
from experiments.runs.directory import TRAINING
from experiments.runs.files import write_text
from experiments.runs.groups import history_of, state_files
from experiments.training import job, measure, run
from experiments.training.ensemble import Ensemble

OPTIONS = (
    "--models 3 --units 2 --epochs 4 --steps-per-epoch 3 --chain-length 4 "
    "--batch-first 4 --batch-last 12 --save-every 2"
)
RESULTS = ("history.csv", "models.csv", "checkpoint.safetensors")


def shorten(replace):
    """Leave the measures, the figures and the report away; `replace` as `setattr`."""
    replace(measure, "HISTORY_DRAWS", 64)
    replace(Ensemble, "measure", lambda self: {"model": self.numbers})
    replace(job, "model_table", _table)
    replace(run, "save_figures", lambda *_: [])
    replace(run, "write_report", lambda run, figures, path: write_text(path, "report"))


def blank(replace):
    """Make figures and save each as a dot: drawing is most of what they cost.

    Those of `test_train_ensemble`, `test_show` and `test_oscillators` are drawn.
    """
    dot = io.BytesIO()
    Figure(figsize=(1, 1), dpi=1).savefig(dot, format="png")
    savefig = Figure.savefig

    def saved(figure, file, *, format, **options):
        if format not in ("png", "pdf"):
            # A frame of an animation.
            return savefig(figure, file, format=format, **options)
        return file.write(dot.getvalue())

    replace(Figure, "savefig", saved)


def _table(measured, model, dataset):
    sums = np.asarray(model.parameters.w).sum(axis=(1, 2))
    columns = {"log_likelihood": sums, "entropy_production_rate": -sums}
    return columns, {"numbers": measured["model"]}


def begin(points, out, *options):
    """A new run with these options; returns its directory."""
    data = ("--dataset", str(points))
    return train_ensemble.main(["--out", str(out), *data, *OPTIONS.split(), *options])


def resume(out, *options):
    """The same run, on from where it is."""
    return train_ensemble.main(["--out", str(out), "--resume", *options])


def stopped(points, out, stop_after, *options, count=3):
    """A run that was stopped in an epoch."""
    stop_after(count)
    with pytest.raises(Interrupted):
        begin(points, out, *options)
    return out


def contents(out):
    """All files with the times of their last change."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in out.rglob("*")
        if path.is_file()
    }


def states_in(out):
    """The states in a directory, each with its history, and nothing else."""
    states = state_files(out)
    both = {*states, *map(history_of, states)}
    assert set((out / TRAINING).iterdir()) == both
    return {path.name for path in states}


def assert_same(one, other):
    """The same results, bit for bit."""
    for name in RESULTS:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def start(change, *options, **environment):
    """A process that trains briefly, as here, after the program `change`."""
    program = f"""
import jax
jax.config.update("jax_num_cpu_devices", {jax.device_count()})
from experiments.command.errors import reports_user_errors
from experiments.train_ensemble import main
from experiments.training.ensemble import Ensemble
from tests.experiments import brief
brief.shorten(setattr)
{change}
reports_user_errors(main)()
"""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, options)],
        cwd=Path(__file__).parents[2],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, status=0):
    """The last line that a process says on standard error, once it has ended."""
    _, errors = process.communicate(timeout=300)
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    return (errors.splitlines() or [""])[-1]
