"""Files of one's own: what is read, and what is refused."""

import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.data.datasets import load_dataset


def test_own_points_and_labels(tmp_path):
    x = np.eye(9)
    np.savez(tmp_path / "own.npz", x=x, labels=np.array(list("ccaabbbbb")))
    dataset = load_dataset(str(tmp_path / "own.npz"))
    np.testing.assert_array_equal(dataset.x, x.astype(bool))
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.labels.tolist() == [2, 2, 0, 0, 1, 1, 1, 1, 1]
    assert dataset.image_shape == (3, 3)
    np.save(tmp_path / "own.npy", x[:, :5])
    dataset = load_dataset(str(tmp_path / "own.npy"))
    assert dataset.labels is None
    assert dataset.image_shape is None


BAD_ARRAYS = {
    "not 0 or 1": (dict(x=np.array([[0, 2]])), r"x\[0, 1\] is 2, expected 0 or 1"),
    "gray": (dict(x=np.array([[0.5, 1.0]])), r"x\[0, 0\] is 0.5"),
    "nan": (dict(x=np.array([[np.nan, 1.0]])), r"x\[0, 0\] is nan"),
    "one axis": (dict(x=np.zeros(4)), r"shape \(4,\), expected \(N, D\)"),
    "three axes": (dict(x=np.zeros((4, 2, 2))), r"expected \(N, D\)"),
    "empty": (dict(x=np.zeros((0, 4))), r"shape \(0, 4\)"),
    "no pixels": (dict(x=np.zeros((4, 0))), r"shape \(4, 0\)"),
    "text": (dict(x=np.array([["a"]])), "dtype <U1"),
    "no x": (dict(y=np.zeros((4, 4))), r"\['y'\]: expected x"),
    "labels": (
        dict(x=np.zeros((4, 2)), labels=np.zeros(3)),
        r"\(3,\), expected \(4,\)",
    ),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays(tmp_path, name):
    arrays, message = BAD_ARRAYS[name]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=message):
        load_dataset(str(tmp_path / "bad.npz"))


def test_bad_files(tmp_path):
    with pytest.raises(UserError, match="unknown: choose mnist5k, mnist, or a path"):
        load_dataset("cifar")
    with pytest.raises(UserError, match="does not exist"):
        load_dataset(str(tmp_path / "absent.npz"))
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="cannot be read"):
        load_dataset(str(tmp_path / "broken.npz"))
    with pytest.raises(UserError, match=r"holds no train.*--dataset mnist5k"):
        load_dataset("mnist", tmp_path / "empty")
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read"):
        load_dataset(str(tmp_path / "pickled.npy"))
