"""A run whose latent states are too many for tables, from training to report."""

import numpy as np
import pytest

from experiments import sample, train_ensemble
from experiments.command.errors import UserError
from experiments.runs.directory import load_run
from experiments.runs.diverged import DIVERGED_IN
from experiments.runs.finished import model_of
from experiments.training import measure

from .. import brief

OPTIONS = (
    "--latent binary --units 12 --models 2 --epochs 2 --steps-per-epoch 2 "
    "--chain-length 4 --batch-first 4 --batch-last 12"
)
ABSENT = ("entropy_production_rate", "relaxation_time", "kl_divergence")


@pytest.fixture(scope="module")
def out(points, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        brief.blank(patch.setattr)
        patch.setattr(measure, "SAMPLED_STEPS", 300)
        out = tmp_path_factory.mktemp("sampled") / "run"
        first = ["--out", str(out), "--dataset", str(points), *OPTIONS.split()]
        train_ensemble.main(first)
        yield train_ensemble.main(["--out", str(out), "--resume", "--epochs", "3"])


def test_what_is_known_is_written_and_the_rest_is_absent(out, points):
    run = load_run(out)
    assert set(run.models) == {"model", DIVERGED_IN, "log_likelihood"}
    names = ["epoch", "model", "log_likelihood", "batch_log_likelihood"]
    assert list(run.history) == names
    assert len(run.history["epoch"]) == 6
    assert "latent_kernel" not in run.arrays
    # By the mean of p(x|z) over random states of the last epochs' chains it is near.
    assert np.isfinite(run.models["log_likelihood"]).all()
    x = np.load(points)["x"]
    model = model_of(run, 0)
    assert not model.latent.enumerable
    pixels = np.asarray(model.x_mean)
    independent = np.mean(x @ np.log(pixels) + (1 - x) @ np.log(1 - pixels))
    # Within a few nats of independent pixels, of which it has learned something.
    assert abs(run.models["log_likelihood"] - independent).max() < 3


def test_figures_and_report_say_so(out):
    names = {path.stem for path in (out / "figures").iterdir()}
    assert names == {"training", "fig3_best", "fig3_worst"}
    report = (out / "report.html").read_text()
    assert "12 latent units" in report
    words = " ".join(report.split())
    assert "is not known, which are the entropy production rate" in words
    for name in ABSENT:
        assert name not in report


def test_samples_need_a_stationary_law(out):
    with pytest.raises(UserError, match="has latent states that are sampled"):
        sample.main([str(out)])
