"""The run directory: what is in the way of a new one, and what is read back."""

import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.runs.directory import (
    Run,
    check_vacant,
    create_run_directory,
    load_run,
    write_run,
)
from experiments.runs.files import remove_leftovers


def test_round_trip(tmp_path):
    run = Run(
        config={"seed": 3, "image_shape": None},
        history={"epoch": np.array([1, 2]), "log_likelihood": np.array([-2.5, -1.25])},
        models={"model": np.array([0]), "entropy_production_rate": np.array([np.inf])},
        arrays={"w": np.arange(6.0, dtype=np.float32).reshape(1, 3, 2).transpose()},
    )
    out = tmp_path / "a" / "b"
    create_run_directory(out, {"seed": 3})
    write_run(out, run)
    loaded = load_run(out)
    assert loaded.config == run.config
    for name in ("history", "models", "arrays"):
        for key, array in getattr(run, name).items():
            read = getattr(loaded, name)[key]
            np.testing.assert_array_equal(read, array)
            assert read.dtype == array.dtype
    # Nothing but the files themselves: temporary ones were renamed or removed.
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.safetensors",
        "config.json",
        "history.csv",
        "models.csv",
    ]


def test_a_column_of_the_history_has_a_row_a_model():
    # Rows of the history come epoch by epoch, and here models in another order.
    history = {
        "epoch": np.array([1, 1, 2, 2, 3, 3]),
        "model": np.array([5, 2, 5, 2, 5, 2]),
        "sigma": np.arange(6.0),
    }
    epochs, sigma = Run({}, history, {}, {}).over_epochs("sigma")
    assert epochs.tolist() == [1, 2, 3]
    assert sigma.tolist() == [[1, 3, 5], [0, 2, 4]]


def test_occupied_and_unwritable_directories(tmp_path):
    create_run_directory(tmp_path / "run", {"seed": 1})
    before = (tmp_path / "run" / "config.json").read_text()
    with pytest.raises(UserError, match="already holds a run"):
        create_run_directory(tmp_path / "run", {"seed": 2})
    assert (tmp_path / "run" / "config.json").read_text() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        create_run_directory(tmp_path / "other", {})
    with pytest.raises(UserError, match="is not empty"):
        create_run_directory(tmp_path / "other" / "notes.txt", {})
    with pytest.raises(UserError, match="cannot be written"):
        create_run_directory(tmp_path / "other" / "notes.txt" / "run", {})


def test_unfinished_run(tmp_path):
    create_run_directory(tmp_path / "run", {})
    with pytest.raises(ValueError, match=r"is not finished: config.json names no res"):
        load_run(tmp_path / "run")


def test_what_a_killed_process_leaves_is_no_content(tmp_path):
    (tmp_path / ".config.json.0123456789abcdef.nelc-part").write_text("{")
    check_vacant(tmp_path)
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
    for name in ("mine.part", ".mine.part"):
        (tmp_path / name).write_text("")
    with pytest.raises(UserError, match="is not empty"):
        check_vacant(tmp_path)
