"""A small comparison from the command to the page, and what a second call does."""

import dataclasses
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import show
from experiments.command.errors import UserError
from experiments.data.datasets import load_dataset
from experiments.loops import command, ensembles, page
from experiments.loops.designs import Design, designs
from experiments.runs.directory import load_run
from nelc_jax import Binary, OneHot
from nelc_jax._format import read_arrays, write_arrays
from nelc_jax.loops import init_loop

SMALL = ensembles.LoopSettings(2, 2, 3, 4, 8, 4, 16, 16)
DESIGN = Design("mixed 3-2", (OneHot(3), Binary(2)), 0.1)
DIRECTORY = "mixed-3-2"
KEY = jax.random.key(0)


@pytest.fixture(scope="module", autouse=True)
def short():
    """One small design in place of nine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "QUICK", SMALL)
        patch.setattr(command, "designs", lambda units, quick: [DESIGN])
        yield


@pytest.fixture(scope="module")
def arguments(points, short, tmp_path_factory):
    out = tmp_path_factory.mktemp("loops") / "run"
    return ["--out", str(out), "--dataset", str(points), "--quick"]


@pytest.fixture(scope="module")
def out(arguments):
    return command.main(arguments)


def test_the_page(out):
    lines = (out / "loops.md").read_text().splitlines()
    (row,) = (line for line in lines if line.startswith("| mixed 3-2 |"))
    cells = row.split("|")
    models = load_run(out / DIRECTORY).models
    assert [cell.strip() for cell in cells[1:6]] == ["mixed 3-2", "3", "63", "2", ""]
    best, _, worst = map(float, cells[6].split("/"))
    found = models["log_likelihood"]
    assert (best, worst) == pytest.approx((found.max(), found.min()), abs=0.006)
    assert len(cells[8].split(",")) == 2
    assert (out / "figures" / "loops.png").stat().st_size > 10_000
    assert not models["frozen"].any()


def test_a_second_call_trains_nothing(out, arguments, tmp_path, monkeypatch):
    before = (out / "loops.md").read_text()
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    arguments = ["--out", str(copy), *arguments[2:]]

    def trained(*arguments):
        raise AssertionError

    monkeypatch.setattr(ensembles, "_train", trained)
    command.main(arguments)
    assert (copy / "loops.md").read_text() == before
    # Control: of other settings it is trained anew.
    monkeypatch.setattr(command, "QUICK", dataclasses.replace(SMALL, epochs=2))
    with pytest.raises(AssertionError):
        command.main(arguments)


def test_a_training_goes_on(points, tmp_path, monkeypatch):
    """From the last state that was kept, to the same end."""
    monkeypatch.setattr(ensembles, "SAVE_EVERY", 2)
    file, words = tmp_path / ensembles.STATE, {"config": "a"}
    x = jnp.asarray(load_dataset(str(points)).x)
    design = Design("one-hot 2", (OneHot(2),), 0.1)

    def train():
        states, history = ensembles._train(design, SMALL, x, 0, file, words)
        return states.model, history["batch_log_likelihood"].reshape(3, 2)

    model, likelihoods = train()
    arrays, _ = read_arrays(file)
    # What was kept, of two epochs, is taken as it is.
    write_arrays(file, arrays | {"likelihoods": 0 * arrays["likelihoods"]}, words)
    again, found = train()
    np.testing.assert_array_equal(found[:2], 0)
    np.testing.assert_allclose(found[2], likelihoods[2], rtol=1e-5)
    chex.assert_trees_all_close(again, model, rtol=1e-4, atol=1e-5)
    words["config"] = "b"
    assert ensembles._begun(file, words, model) == (model, [])


def test_other_commands_do_not_take_it(out):
    with pytest.raises(UserError, match=r"mixed-3-2 holds deeper loops, not models"):
        show.main([str(out / DIRECTORY)])


def test_as_many_parameters():
    """Counted in the loops themselves; even and funnelled ones within a hundredth."""
    num_visible = 784
    x = jnp.asarray(np.zeros((2, num_visible), bool))
    every = designs(6, False)
    counts = {design.name: design.num_parameters(num_visible) for design in every}
    for design in every:
        layers = design.layers
        loop = jax.eval_shape(lambda x, layers=layers: init_loop(KEY, layers, x), x)
        leaves = jax.tree.leaves(loop.kernels)
        redundant = sum(
            kernel.bias.size
            for source, kernel in zip(layers, loop.kernels[1:], strict=True)
            if source.absorbs_visible_bias
        )
        assert sum(leaf.size for leaf in leaves) - redundant == counts[design.name]
    assert [design.depth for design in every] == [2, 3, 4, 2, 3, 4, 3, 4, 3]
    for depths in ([0, 1, 2, 6, 7], [3, 4, 5]):
        sizes = [counts[every[number].name] for number in depths]
        assert max(sizes) < 1.011 * min(sizes)


def test_the_figure_has_every_design(out):
    run = load_run(out / DIRECTORY)
    figure = page.designs_figure({"one": run, "two": run}, {"one": -3.0})
    likelihood, production, time = figure.axes
    assert [tick.get_text() for tick in time.get_xticklabels()] == ["one", "two"]
    # Of each design, as many points as models, for every layer.
    drawn = [len(points.get_offsets()) for points in production.collections]
    assert [number for number in drawn if number] == [2, 2, 2, 2]
    assert likelihood.get_ylabel()
