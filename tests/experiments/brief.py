"""Runs that cost little: real training, and tables of no more than the parameters."""

import numpy as np

from experiments import train_ensemble
from experiments.runs import directory as run_directory
from experiments.training import ensemble as ensemble_run
from experiments.training import measure

OPTIONS = (
    "--models 3 --units 2 --epochs 4 --steps-per-epoch 3 --chain-length 4 "
    "--batch-first 4 --batch-last 12 --save-every 2"
)


def shorten(replace):
    """Leave the measures, the figures and the report away; `replace` as `setattr`."""
    replace(measure, "HISTORY_DRAWS", 64)
    replace(ensemble_run.Ensemble, "measure", lambda self: {"model": self.numbers})
    replace(train_ensemble, "model_table", _table)
    replace(train_ensemble, "save_figures", lambda *_: [])
    replace(
        train_ensemble,
        "write_report",
        lambda run, figures, path: run_directory.write_text(path, "report"),
    )


def _table(measured, model, dataset):
    sums = np.asarray(model.parameters.w).sum(axis=(1, 2))
    columns = {"log_likelihood": sums, "entropy_production_rate": -sums}
    return columns, {"numbers": measured["model"]}
