"""A small verdict from the command to the page, and what is done on a second call."""

import itertools
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from experiments import compare
from experiments.command.errors import UserError
from experiments.data.datasets import load_split
from experiments.runs.directory import holds_results, load_run
from experiments.runs.finished import model_of, open_run
from experiments.training import measure
from experiments.training import study as study_module
from experiments.training.equilibrium import rbms
from experiments.training.job import train_job
from experiments.training.settings import Settings
from experiments.training.study import Study
from experiments.verdict import command, intervals, judge, page
from experiments.verdict.variants import readings
from nelc_jax import OneHot

from ..killed import Kill

QUICK = {
    "units": 3,
    "models": 4,
    "epochs": 3,
    "steps_per_epoch": 4,
    "chain_length": 8,
    "batch_first": 4,
    "batch_last": 16,
}
FEWER = Settings(**QUICK | {"epochs": 2})
NAMES = ("sigmoid-paper-0", "rbm-onehot-0")


@pytest.fixture(scope="module", autouse=True)
def short():
    """Measurements and schedules that take seconds, and two ensembles instead of six.

    Each is a program of its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "FINAL_SAMPLES", 256)
        patch.setattr(measure, "COUNTED_STEPS", 200)
        patch.setattr(command, "QUICK", QUICK)
        patch.setattr(intervals, "RESAMPLES", 20)
        patch.setattr(judge, "readings", lambda *given: readings(*given)[:1])
        patch.setattr(judge, "rbms", lambda *given: rbms(*given)[:1])
        yield


@pytest.fixture(scope="module")
def verdict(points, short, tmp_path_factory):
    """The directory of a verdict."""
    out = tmp_path_factory.mktemp("verdicts") / "verdict"
    return command.main(["--out", str(out), "--dataset", str(points), "--quick"])


def test_the_page(verdict):
    text = (verdict / "verdict.md").read_text()
    for name in ("C1", "C2a", "C3", "C4", "C5a", "C5b", "C5c", "C6", "C7a", "C7c"):
        assert text.count(f"\n| {name} |") == 1
    for name in NAMES:
        assert f"| {name.removesuffix('-0')}" in text
        assert (verdict / name / "models.csv").is_file()
    for section in ("Clusters", "What sigma goes with", "Does a cycle help?"):
        assert f"\n## {section}\n" in text
    assert (verdict / "figures" / "clusters.png").stat().st_size > 10_000
    rows = text.count("\n| C")
    assert f"**Of {rows} findings, " in text
    assert "data:image/png;base64," in (verdict / "report.html").read_text()


def test_an_ensemble_is_a_run(verdict):
    run = open_run(verdict / "sigmoid-paper-0")
    assert run.config["class_names"] == ["0", "1", "2"]
    assert model_of(run, 0).latent == OneHot(3)
    for directory, words in (("rbm-onehot-0", "machines"), ("", "sigmoid-paper-0")):
        with pytest.raises(UserError, match=words):
            open_run(verdict / directory)


def test_another_command_leaves_it_alone(verdict, points):
    with pytest.raises(UserError, match="already holds a run"):
        compare.main(["--out", str(verdict), "--dataset", str(points)])


def test_the_table_of_sensitivities(verdict):
    run = load_run(verdict / "sigmoid-paper-0")
    text = page.sensitivity_table({"units=3": [run]}, {3: -1.25})
    cells = [cell.strip() for cell in text.splitlines()[-1].split("|")]
    models = run.models
    assert cells[1] == "units=3 (1)"
    assert float(cells[2]) == pytest.approx(models["log_likelihood"].max(), abs=0.006)
    assert cells[4] == "-1.25"
    rho = stats.spearmanr(models["relaxation_time"], models["entropy_production_rate"])
    assert float(cells[9]) == pytest.approx(rho.statistic, abs=0.006)


def test_the_partition_functions_of_compare(verdict):
    text = compare.partition_table({"rbm-onehot": load_run(verdict / "rbm-onehot-0")})
    exact, estimate = text.splitlines()[-1].split("|")[2:4]
    value, error = (float(word) for word in estimate.split("±"))
    assert value == pytest.approx(float(exact), abs=4 * error + 0.006)


@pytest.fixture
def again(verdict, points, tmp_path, monkeypatch):
    """A second call on a copy: the study, its variants, and the names trained anew."""
    out = tmp_path / "verdict"
    shutil.copytree(verdict, out)
    study = Study(*load_split(str(points)), out)
    base = Settings(**QUICK)
    variants = [readings(base, [0], [0])[0], rbms(base, [0])[0]]
    trained = []

    def counted(job, checkpoints):
        trained.append(job.out.name)
        return train_job(job, checkpoints)

    monkeypatch.setattr(study_module, "train_job", counted)
    return study, variants, trained


def times(study):
    return {p.parent.name: p.stat().st_mtime_ns for p in study.out.glob("*/models.csv")}


def test_what_is_finished_is_read(again):
    study, variants, trained = again
    before = times(study)
    runs = study.run(variants)
    assert trained == []
    assert times(study) == before
    assert [run.config["ensemble"] for (run,) in runs.values()] == list(NAMES)


def test_what_was_lost_is_trained_again_to_the_same(again):
    study, variants, trained = again
    table = study.out / NAMES[0] / "models.csv"
    before = table.read_text()
    table.unlink()
    study.run(variants)
    assert trained == [NAMES[0]]
    assert table.read_text() == before


def test_other_settings_and_other_data_are_trained_anew(again):
    study, variants, trained = again
    variants[0] = replace(variants[0], settings=FEWER)
    other = replace(study.train, x=study.train.x[:, ::-1])
    study.run(variants[:1])
    replace(study, train=other).run(variants[1:])
    assert trained == list(NAMES)
    assert load_run(study.out / NAMES[0]).history["epoch"].max() == 2


OTHER_DATA = {
    "points": lambda train, held: (replace(train, x=~train.x), held),
    "labels": lambda train, held: (replace(train, labels=train.labels[::-1]), held),
    "held out": lambda train, held: (train, replace(held, x=held.x[::-1])),
}


@pytest.mark.parametrize("which", OTHER_DATA)
def test_a_file_of_the_same_name_and_size_is_not_the_same(again, which):
    study, variants, trained = again
    train, held_out = OTHER_DATA[which](study.train, study.held_out)
    replace(study, train=train, held_out=held_out).run(variants[:1])
    assert trained == [NAMES[0]]
    # The same data in a file of another name are.
    renamed = replace(train, name="renamed.npz")
    replace(study, train=renamed, held_out=held_out).run(variants[:1])
    assert trained == [NAMES[0]]


def test_killed_at_any_rename_old_settings_are_not_taken_for_new(again):
    """Of an ensemble that is trained anew with fewer epochs, over the old one."""
    study, variants, _ = again
    old, new = variants[0], replace(variants[0], settings=FEWER)
    whole = {3: study.out / NAMES[0], 2: study.out.with_name("new") / NAMES[0]}
    replace(study, out=whole[2].parent).run([new])
    tables = {n: (path / "models.csv").read_bytes() for n, path in whole.items()}
    for count in itertools.count():
        copy = replace(study, out=study.out.with_name(f"killed-{count}"))
        shutil.copytree(study.out, copy.out)
        with Kill(count) as kill:
            copy.run([new])
        out = copy.out / NAMES[0]
        if holds_results(out):
            epochs = load_run(out).config["epochs"]
            assert (out / "models.csv").read_bytes() == tables[epochs]
        (run,) = copy.run([new])[old.group]
        assert run.config["epochs"] == 2
        assert (out / "models.csv").read_bytes() == tables[2]
        if not kill.done:
            break
    assert count == 5


def test_measured_again_by_the_same_estimators_nothing_changes(again):
    study, variants, trained = again
    before = {name: load_run(study.out / name) for name in NAMES}
    old = times(study)
    replace(study, again=True).run(variants)
    assert trained == []
    for name, run in before.items():
        assert times(study)[name] > old[name]
        found = load_run(study.out / name)
        assert list(found.models) == list(run.models)
        for column, values in run.models.items():
            np.testing.assert_allclose(
                found.models[column], values, rtol=1e-3, atol=1e-5, err_msg=column
            )
