"""Runs that do not go on: other settings, other versions, damaged files."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from experiments.command import versions
from experiments.command.errors import Interrupted, UserError
from experiments.runs import directory as run_directory
from experiments.runs.checkpoint import pack
from experiments.runs.directory import load_run
from experiments.runs.groups import history_of, state_files
from experiments.runs.records import Records
from experiments.runs.resume import read_checkpoint
from nelc_jax._format import write_arrays

from ..brief import assert_same, contents, resume, stopped

pytestmark = pytest.mark.usefixtures("short")


def test_changed_settings_are_refused(points, tmp_path, unbroken):
    before = contents(unbroken)
    for options, words in {
        "--seed 1": "--seed 1 where it has 0: repeat",
        "--units 3 --models 4": "--models 4 where it has 3, --units 3 where it has 2",
        "--latent binary": "--latent binary where it has onehot",
        "--learning-rate 0.2": "--learning-rate 0.2 where it has 0.1",
        "--batch-last 13": "--batch-last 13 where it has 12",
    }.items():
        begin = f"^--resume: the run of --out {unbroken} is another: "
        with pytest.raises(UserError, match=begin + words):
            resume(unbroken, *options.split())
    other = tmp_path / "other.npz"
    np.savez(other, x=~np.load(points)["x"])
    with pytest.raises(
        UserError, match=r"the digest of --dataset's data \w+ where it has"
    ):
        resume(unbroken, "--dataset", str(other))
    assert contents(unbroken) == before
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    edit(out / run_directory.CONFIG, data_digest="0")
    with pytest.raises(UserError, match="the digest of --dataset's data"):
        resume(out)
    with pytest.raises(UserError, match="holds no run to go on with"):
        resume(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_other_versions_are_named_and_noted(
    points, tmp_path, unbroken, stop_after, monkeypatch, capsys
):
    out = tmp_path / "run"
    others = versions.installed() | {"jax": "0.9.9", "numpy": "1.9.9"}
    with monkeypatch.context() as patch:
        patch.setattr(versions, "installed", lambda: others)
        stopped(points, out, stop_after)
    stop_after(1)
    with pytest.raises(Interrupted):
        resume(out)
    stop_after()
    resume(out)
    jax_now, numpy_now = (versions.installed()[name] for name in ("jax", "numpy"))
    line = (
        f"resuming with jax {jax_now}, numpy {numpy_now}, trained before with jax "
        "0.9.9, numpy 1.9.9: results agree in law with those of an unbroken run, not "
        "bit for bit"
    )
    # Not forgotten by states that this version wrote in between.
    assert capsys.readouterr().out.splitlines().count(line) == 2
    config = load_run(out).config
    assert config["earlier_versions"] == {"jax": ["0.9.9"], "numpy": ["1.9.9"]}
    assert versions.installed().items() <= config["versions"].items()
    assert_same(out, unbroken)
    assert "earlier_versions" not in load_run(unbroken).config


def rewritten(file, checkpoint):
    """The state and the history of somebody who knows how to make the digests."""
    records = Records(history_of(file))
    records.replace(checkpoint.history)
    of_state = vars(checkpoint).copy()
    del of_state["history"]
    write_arrays(file, *pack(**of_state, records=records))


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "{}", '{"epochs": "x"}', "[" * 100_000, "\x00"]
)
def test_damaged_settings(unbroken, tmp_path, text):
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    (out / run_directory.CONFIG).write_text(text)
    with pytest.raises(
        UserError, match=r"config.json is not that of a run which can go on"
    ):
        resume(out)


def test_damaged_states(points, tmp_path, unbroken, stop_after):
    out = stopped(points, tmp_path / "run", stop_after)
    (file,) = state_files(out)
    whole = file.read_bytes()
    saved = read_checkpoint(file)
    w = "state.model.parameters.w"
    foreign = replace(saved, config=saved.config | {"seed": 7})
    unfit = replace(saved, states=saved.states | {w: saved.states[w][:, :1]})
    broken = replace(saved, states=saved.states | {w: saved.states[w] * np.nan})
    beyond = replace(
        saved,
        numbers=saved.numbers + 1,
        history=saved.history | {"model": saved.history["model"] + 1},
    )
    for bad, reason in [
        (whole[:-1], "is damaged"),
        (foreign, "belongs to another run: --seed 0 where it has 7"),
        (unfit, rf"holds {w} as float32 \(3, 1, 2\) instead"),
        (broken, "are nan"),
        (beyond, r"has models \[1 2 3\] of 3"),
    ]:
        if isinstance(bad, bytes):
            file.write_bytes(bad)
        else:
            rewritten(file, bad)
        before = contents(out)
        with pytest.raises(UserError, match=reason) as caught:
            resume(out)
        assert str(caught.value).startswith(str(file))
        assert contents(out) == before
    # The way out that the message names.
    file.unlink()
    trained = stop_after()
    resume(out)
    assert len(trained) == 4
    assert_same(out, unbroken)
