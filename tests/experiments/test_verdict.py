import numpy as np
import pytest
from scipy import stats

from experiments import compare
from experiments.command.errors import UserError
from experiments.data.datasets import Dataset, held_out_part
from experiments.runs.directory import Run, load_run
from experiments.runs.finished import model_of, open_run
from experiments.training import measure
from experiments.verdict import __main__ as verdict
from experiments.verdict import page, parts
from experiments.verdict.claims import (
    CLAIMS,
    Claim,
    judge,
    share_interval,
    three_clusters,
)
from experiments.verdict.parts import Part, machines, readings, sensitivities
from experiments.verdict.sampling import match
from nelc_jax.latent import OneHot

SMALL = Part(
    "base",
    0,
    units=3,
    models=4,
    epochs=3,
    steps_per_epoch=4,
    batch_first=4,
    batch_last=16,
    chain_length=8,
)


@pytest.fixture
def points(tmp_path):
    """Three noisy patterns of nine pixels, a hundred times each, with their labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    patterns = rng.random((3, 9)) < 0.5
    path = tmp_path / "points.npz"
    np.savez(path, x=patterns[labels] ^ (rng.random((300, 9)) < 0.1), labels=labels)
    return path


@pytest.fixture
def short(monkeypatch):
    """Measurements and schedules that take seconds."""
    monkeypatch.setattr(measure, "FINAL_SAMPLES", 256)
    monkeypatch.setattr(measure, "COUNTED_STEPS", 200)
    monkeypatch.setattr(
        verdict,
        "QUICK",
        {
            name: getattr(SMALL, name)
            for name in ("units", "models", "epochs", "steps_per_epoch")
        }
        | {"batch_first": 4, "batch_last": 16, "chain_length": 8},
    )
    # One reading instead of four and one RBM: each is a program of its own.
    for name in ("readings", "machines"):
        every = getattr(verdict, name)
        monkeypatch.setattr(verdict, name, lambda *a, every=every: every(*a)[:1])


def test_quick_verdict_goes_on_where_it_was(points, tmp_path, short, monkeypatch):
    out = tmp_path / "verdict"
    arguments = ["--out", str(out), "--dataset", str(points), "--quick"]
    verdict.main(arguments)
    text = (out / "verdict.md").read_text()
    for claim in CLAIMS:
        assert text.count(f"\n| {claim.name} |") == 1
    for name in ("sigmoid-paper", "rbm-onehot"):
        assert f"| {name}" in text
        assert (out / f"{name}-0" / "models.csv").is_file()
    assert "Does a cycle help?" in text
    assert (out / "figures" / "claims.png").stat().st_size > 10_000

    check_tables(out)
    run = open_run(out / "sigmoid-paper-0")
    assert run.config["class_names"] == ["0", "1", "2"]
    assert model_of(run, 0).latent == OneHot(3)
    for directory, words in (("rbm-onehot-0", "machines"), ("", "sigmoid-paper-0")):
        with pytest.raises(UserError, match=words):
            open_run(out / directory)

    # Finished ensembles are read; the one that was lost is trained again, the same.
    kept = {p: p.stat().st_mtime_ns for p in out.glob("*/models.csv")}
    lost = out / "sigmoid-paper-0" / "models.csv"
    before = lost.read_text()
    lost.unlink()
    trained = []
    train_ensemble = parts.train_ensemble

    def counted(members, *rest, **named):
        trained.append(named["name"])
        return train_ensemble(members, *rest, **named)

    def judged(members):
        raise StopIteration

    monkeypatch.setattr(parts, "train_ensemble", counted)
    # What follows was tested above.
    monkeypatch.setattr(verdict, "judge_all", judged)
    with pytest.raises(StopIteration):
        verdict.main(arguments)
    assert trained == ["sigmoid-paper-0"]
    assert lost.read_text() == before
    assert {p: p.stat().st_mtime_ns for p in kept if p != lost} == {
        p: time for p, time in kept.items() if p != lost
    }

    # Measured again by the same estimators, nothing changes.
    tables = {path: load_run(path.parent).models for path in kept}
    with pytest.raises(StopIteration):
        verdict.main([*arguments, "--measure-again"])
    assert trained == ["sigmoid-paper-0"]
    for path, before in tables.items():
        assert path.stat().st_mtime_ns > kept[path]
        found = load_run(path.parent).models
        assert list(found) == list(before)
        for name, values in before.items():
            np.testing.assert_allclose(
                found[name], values, rtol=1e-3, atol=1e-5, err_msg=name
            )

    with pytest.raises(UserError, match="holds something else"):
        compare.main(["--out", str(out), "--dataset", str(points)])


def check_tables(out):
    """What the full verdict and `compare` make of the same ensembles."""
    runs = {
        name: load_run(out / f"{name}-0") for name in ("sigmoid-paper", "rbm-onehot")
    }
    text = page.sensitivity_table({"units=3": [runs["sigmoid-paper"]]}, {3: -1.25})
    cells = [cell.strip() for cell in text.splitlines()[-1].split("|")]
    models = runs["sigmoid-paper"].models
    assert cells[1] == "units=3 (1)"
    assert float(cells[2]) == pytest.approx(models["log_likelihood"].max(), abs=0.006)
    assert cells[4] == "-1.25"
    rho = stats.spearmanr(models["relaxation_time"], models["entropy_production_rate"])
    assert float(cells[9]) == pytest.approx(rho.statistic, abs=0.006)

    machine = {"rbm-onehot": runs["rbm-onehot"]}
    text = compare.partition_table(machine, {"rbm-onehot": OneHot(3, "softmax")})
    exact, estimate = text.splitlines()[-1].split("|")[2:4]
    value, error = (float(word) for word in estimate.split("±"))
    assert value == pytest.approx(float(exact), abs=4 * error + 0.006)


def test_equilibrium_table_counts_distances_in_errors():
    rng = np.random.default_rng(0)
    bias, error = np.full(4000, 0.5), np.full(4000, 2.0)
    history = {
        "entropy_production_rate": bias + 2 * rng.standard_t(5, 4000),
        "entropy_production_rate_bias": bias,
        "entropy_production_rate_error": error,
    }
    text = page.equilibrium_table({"rbm": [Run({}, history, {}, {})]}, {"rbm": 6})
    *_, within, expected, _ = text.splitlines()[-1].split("|")
    assert expected.strip() == "97.0%"
    assert float(within.strip(" %")) == pytest.approx(97.0, abs=1.0)
    history["entropy_production_rate"] += 4
    text = page.equilibrium_table({"rbm": [Run({}, history, {}, {})]}, {"rbm": 6})
    assert float(text.splitlines()[-1].split("|")[5].strip(" %")) < 90


def test_parts_have_names_of_their_own():
    every = [
        *readings(SMALL, range(2)),
        *machines(SMALL, range(2)),
        *sensitivities(SMALL),
    ]
    assert len({part.name for part in every}) == len(every) == 8 + 4 + 12


def test_held_out_points_are_a_fifth_of_each_class():
    labels = np.repeat([0, 1, 2], [10, 15, 25]).astype(np.int32)
    x = np.arange(50)[:, None] % 2 == 0
    data = Dataset("d", x, labels, ("a", "b", "c"), None)
    train, held = held_out_part(data)
    assert np.bincount(held.labels).tolist() == [2, 3, 5]
    assert np.bincount(train.labels).tolist() == [8, 12, 20]
    with pytest.raises(UserError, match="at least 5"):
        held_out_part(Dataset("d", x[:3], None, (), None))


def members(seed=0, size=40, **columns):
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(0, 10, size)
    return {"sigma": sigma, "log_likelihood": -150 + rng.random(size), **columns}


def test_intervals_cover_as_stated():
    """Of 100 data sets with a mean of 1, the intervals of about 95 hold it."""
    claim = Claim("mean", "", lambda m: float(np.mean(m["value"])), 0.0)
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(1000 + seed)
        data = [members(value=1 + rng.standard_normal(40)) for _ in range(20)]
        found = judge(claim, data, seed, resamples=200)
        covered += found.low <= 1 <= found.high
        assert found.low <= found.value <= found.high
    # Two-level resampling counts the spread of members twice: on the safe side.
    assert covered >= 92


@pytest.mark.parametrize(
    ("offset", "above", "expected"),
    [
        (1.0, True, "holds"),
        (-1.0, True, "does not hold"),
        (0.0, True, "undecided"),
        (-1.0, False, "holds"),
    ],
)
def test_verdicts(offset, above, expected):
    claim = Claim("mean", "", lambda m: float(np.mean(m["value"])), 0.0, above)
    noise = np.random.default_rng(0).standard_normal(40)
    noise -= noise.mean()
    found = judge(claim, [members(value=offset + noise)] * 3)
    assert found.verdict == expected


@pytest.mark.parametrize(("share", "count"), [(1, 180), (0, 45), (0.3, 20)])
def test_share_interval(share, count):
    """The law of the share at either end, by its definition."""
    low, high = share_interval(share, count)
    successes = round(share * count)
    above = stats.binom(count, low).sf(successes - 1) if successes else 0.025
    below = stats.binom(count, high).cdf(successes) if successes < count else 0.025
    np.testing.assert_allclose((above, below), 0.025, rtol=1e-6)


def test_all_of_many_models_are_not_all_models():
    """180 of 180 leave two in a hundred open, which resampling does not see."""
    by_name = {claim.name: claim for claim in CLAIMS}
    ensembles = [
        {
            "sigma_corrected": np.ones(36),
            "sigma_error": np.zeros(36),
            "sigma": np.ones(36),
        }
    ] * 5
    found = judge(by_name["C2a"], ensembles, resamples=10)
    assert (found.value, found.high, found.verdict) == (1, 1, "undecided")
    assert 0.97 < found.low < 0.985


def test_interval_of_few_ensembles():
    """Student's t covers the mean of five normal numbers as often as it says."""
    claim = Claim("mean", "", lambda m: float(m["value"][0]), 0.0, per_ensemble=True)
    covered = 0
    for seed in range(400):
        values = np.random.default_rng(seed).standard_normal(5)
        found = judge(claim, [members(value=np.full(2, v)) for v in values])
        covered += found.low <= 0 <= found.high
    # 95 % +- 1.1 %; the percentiles of resampled means would reach 84 %.
    assert 0.92 < covered / 400 < 0.98
    alone = judge(claim, [members(value=np.ones(2))])
    assert np.isnan(alone.low)
    assert alone.verdict == "undecided"


def test_three_clusters_are_found():
    rng = np.random.default_rng(0)
    centres = np.array([[-147, 8], [-148.5, 5], [-150.5, 1]])
    cloud = np.concatenate([c + 0.1 * rng.standard_normal((30, 2)) for c in centres])
    assert three_clusters({"log_likelihood": cloud[:, 0], "sigma": cloud[:, 1]}) > 0
    one = rng.standard_normal((90, 2))
    assert three_clusters({"log_likelihood": one[:, 0], "sigma": one[:, 1]}) < 0


def test_exceptions_are_counted():
    by_name = {claim.name: claim for claim in CLAIMS}
    sigma = np.arange(40.0)
    ordered = {"sigma": sigma, "log_likelihood": sigma - 100, "kl": -sigma}
    assert by_name["C3"].statistic(ordered) == 0
    assert by_name["C4"].statistic(ordered) == 0
    opposite = {"sigma": sigma, "log_likelihood": -sigma, "kl": sigma}
    assert by_name["C3"].statistic(opposite) == 1
    assert by_name["C4"].statistic(opposite) == 1
    tau = {"sigma": sigma, "tau": np.where(sigma > 38, np.inf, sigma)}
    assert by_name["C5a"].statistic(tau) == pytest.approx(1)


def test_match():
    assert match(np.array([1.0, 5.0]), np.array([4.0, 0.0, 9.0])).tolist() == [1, 0]
