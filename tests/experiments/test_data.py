import gzip
import hashlib
import io
import urllib.error
import urllib.request

import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.data import datasets as data
from experiments.data.datasets import load_dataset


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    raw = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@pytest.fixture
def digits():
    """Images whose every pixel is the number of the image, and their labels."""
    labels = np.array([3, 0, 1, 2, 0, 9, 1, 2, 2])
    images = np.zeros((9, 4, 4)) + np.arange(120, 129)[:, None, None]
    return images, labels


@pytest.fixture
def idx_dir(tmp_path, digits):
    images, labels = digits
    write_idx(tmp_path / "train-images-idx3-ubyte", images)
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    return tmp_path


def test_embedded_digits():
    dataset = load_dataset("mnist5k")
    assert dataset.x.shape == (1500, 784)
    assert dataset.x.dtype == bool
    assert np.bincount(dataset.labels).tolist() == [500, 500, 500]
    assert dataset.image_shape == (28, 28)
    # A zero has a hole in the middle, a one has ink there.
    centre = dataset.x.reshape(-1, 28, 28)[:, 13:15, 13:15].mean(axis=(1, 2))
    assert centre[dataset.labels == 0].mean() < 0.1 < centre[dataset.labels == 1].mean()


def test_first_instances_of_each_digit_at_half_gray(idx_dir, monkeypatch):
    monkeypatch.setattr(data, "PER_DIGIT", 2)
    dataset = load_dataset("mnist", idx_dir)
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2]
    # Image k has gray level 120 + k, and 127.5 is the threshold: only 128 is on.
    assert not dataset.x.any()
    monkeypatch.setattr(data, "PER_DIGIT", 3)
    assert load_dataset("mnist", idx_dir).x.all(axis=1).tolist() == [False] * 6 + [True]


def test_compressed_idx_files(tmp_path, digits):
    images, labels = digits
    write_idx(tmp_path / "train10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "train10k-labels-idx1-ubyte.gz", labels)
    assert load_dataset("mnist", tmp_path).x.shape == (7, 16)


def test_download_checks_and_caches(tmp_path, digits, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    served, asked = {}, []
    for name, array in zip(data._CHECKSUMS, digits, strict=True):
        write_idx(tmp_path / name, array)
        served[name] = (tmp_path / name).read_bytes()

    def urlopen(url, timeout):
        asked.append(url)
        return io.BytesIO(served[url.rsplit("/", 1)[1]])

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(UserError, match="wrong checksum"):
        load_dataset("mnist")
    assert not list(tmp_path.glob("cache/**/*ubyte*"))
    monkeypatch.setattr(
        data,
        "_CHECKSUMS",
        {name: hashlib.sha256(raw).hexdigest() for name, raw in served.items()},
    )
    first = load_dataset("mnist")
    asked.clear()
    second = load_dataset("mnist")
    assert asked == []
    np.testing.assert_array_equal(first.x, second.x)


def test_offline_names_both_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def urlopen(url, timeout):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(UserError, match=r"--data-dir.*--dataset mnist5k"):
        load_dataset("mnist")


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


def test_bad_files(tmp_path, idx_dir):
    with pytest.raises(UserError, match="unknown: choose mnist5k, mnist, or a path"):
        load_dataset("cifar")
    with pytest.raises(UserError, match="does not exist"):
        load_dataset(str(tmp_path / "absent.npz"))
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="cannot be read"):
        load_dataset(str(tmp_path / "broken.npz"))
    with pytest.raises(UserError, match=r"holds no train.*--dataset mnist5k"):
        load_dataset("mnist", tmp_path / "empty")
    images = idx_dir / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(UserError, match="not a complete IDX file"):
        load_dataset("mnist", idx_dir)
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read"):
        load_dataset(str(tmp_path / "pickled.npy"))
