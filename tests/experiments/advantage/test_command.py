"""A small study from the command to the page, and what is done on a second call."""

import csv

import numpy as np
import pytest

from experiments.advantage import cells, command
from experiments.advantage import parts as parts_module
from experiments.advantage.methods import methods
from experiments.data.datasets import load_split
from experiments.verdict import sampling

NAMES = ("belief", "rbm-exact")


@pytest.fixture(scope="module")
def study(points, tmp_path_factory):
    """A quick study of some of the methods: its directory, and the call of it."""
    with pytest.MonkeyPatch.context() as patch:
        some = {name: methods(8)[name] for name in NAMES}
        patch.setattr(cells, "methods", lambda _: some)
        patch.setattr(parts_module, "KERNEL_DRAWS", 512)
        patch.setattr(sampling, "DRAWS", 16)
        out = tmp_path_factory.mktemp("studies") / "study"
        given = ["--quick", "--dataset", str(points), "--out", str(out)]
        yield command.main(given), lambda: command.main(given)


def test_the_page_and_a_second_call(study, blank, monkeypatch):
    out, call = study
    text = (out / "advantage.md").read_text()
    for name in NAMES:
        assert f"\n| {name}, L = 2 |" in text
    with (out / "advantage.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Two cells of two rates with two models each.
    assert len(rows) == 8
    assert (out / "figures" / "advantage.png").stat().st_size > 10_000

    before = {path: path.read_bytes() for path in out.glob("parts/*")}
    # Nothing is trained again; what was lost is, to the same.
    lost = next(path for path in before if path.name.startswith("belief"))
    lost.unlink()
    trained = []
    train = parts_module.Course._trained

    def counted(course, rates):
        trained.append(course)
        return train(course, rates)

    monkeypatch.setattr(parts_module.Course, "_trained", counted)
    call()
    assert len(trained) == 1
    arrays, _ = parts_module.read_arrays(lost)
    lost.write_bytes(before[lost])
    expected, _ = parts_module.read_arrays(lost)
    for name in expected.keys() - {"seconds"}:
        np.testing.assert_array_equal(arrays[name], expected[name])


def test_likelihoods_of_the_page(study, points):
    """Of the models in the parts, by brute force over the latent states."""
    out, _ = study
    train, held_out = load_split(str(points))
    (path,) = out.glob("parts/belief-*.safetensors")
    arrays, _ = parts_module.read_arrays(path)
    states = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    for data, name in ((train, "log_likelihood"), (held_out, "held_out")):
        for model in range(4):
            logits = states @ arrays["w"][model].T + arrays["a"][model]
            log_A = data.x @ logits.T - np.logaddexp(0, logits).sum(axis=1)
            p = np.exp(log_A) @ arrays["occupancy"][model]
            # Sums of nine terms of single precision.
            np.testing.assert_allclose(arrays[name][model], np.log(p).mean(), rtol=1e-5)
