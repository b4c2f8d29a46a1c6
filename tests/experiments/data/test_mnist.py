"""MNIST: embedded, in IDX files, downloaded."""

import gzip
import hashlib
import io
import urllib.error
import urllib.request

import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.data import datasets, mnist
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
    monkeypatch.setattr(datasets, "PER_DIGIT", 2)
    dataset = load_dataset("mnist", idx_dir)
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2]
    # Image k has gray level 120 + k, and 127.5 is the threshold: only 128 is on.
    assert not dataset.x.any()
    monkeypatch.setattr(datasets, "PER_DIGIT", 3)
    assert load_dataset("mnist", idx_dir).x.all(axis=1).tolist() == [False] * 6 + [True]


def test_compressed_idx_files(tmp_path, digits):
    images, labels = digits
    write_idx(tmp_path / "train10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "train10k-labels-idx1-ubyte.gz", labels)
    assert load_dataset("mnist", tmp_path).x.shape == (7, 16)


def test_a_torn_idx_file_is_named(idx_dir):
    images = idx_dir / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(UserError, match="not a complete IDX file"):
        load_dataset("mnist", idx_dir)


def test_download_checks_and_caches(tmp_path, digits, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    served, asked = {}, []
    for name, array in zip(mnist.CHECKSUMS, digits, strict=True):
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
        mnist,
        "CHECKSUMS",
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
