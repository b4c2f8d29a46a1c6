"""MNIST: embedded, in IDX files, downloaded."""

import gzip
import hashlib
import http.client
import io
import tracemalloc
import urllib.error
import urllib.request

import numpy as np
import pytest

from experiments.command.errors import UserError
from experiments.data import datasets, download
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


IMAGES = bytes([0, 0, 8, 3])


def sizes(*numbers):
    return np.array(numbers, ">u4").tobytes()


TORN = {
    "six bytes": IMAGES + bytes(2),
    "nothing": b"",
    "no images": IMAGES + sizes(0, 4, 4),
    "sizes that wrap around": IMAGES + sizes(2**31, 2**31, 4),
    "one byte more": IMAGES + sizes(1, 2, 2) + bytes(5),
    "one byte less": IMAGES + sizes(1, 2, 2) + bytes(3),
    "other numbers": bytes([0, 0, 13, 3]) + sizes(1, 1, 1) + bytes(4),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", TORN)
def test_torn_idx_files_are_one_line(tmp_path, kind, packed):
    raw = TORN[kind]
    name = "train-images-idx3-ubyte" + ".gz" * packed
    (tmp_path / name).write_bytes(gzip.compress(raw) if packed else raw)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(0))
    with pytest.raises(UserError, match=r"download it again|is it damaged") as caught:
        load_dataset("mnist", tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_corrupt_stream_and_a_bomb(tmp_path, digits):
    images, labels = digits
    path = tmp_path / "train-images-idx3-ubyte.gz"
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    write_idx(path, images)
    raw = bytearray(path.read_bytes())
    raw[14:40] = bytes([255]) * 26
    for content in (bytes(raw), raw[:30], b"no gzip"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"cannot be read .*download it again"):
            load_dataset("mnist", tmp_path)
    path.write_bytes(gzip.compress(IMAGES + sizes(9, 4, 4) + bytes(10**8)))
    tracemalloc.start()
    with pytest.raises(UserError, match="not a complete IDX file"):
        load_dataset("mnist", tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_a_folder_that_cannot_be(tmp_path):
    with pytest.raises(UserError, match=r"cannot be read \(File name too long\)"):
        load_dataset("mnist", tmp_path / ("x" * 300))


NAMES = {
    "train-images.idx3-ubyte": "train-labels.idx1-ubyte",
    "MNIST/raw/train-images-idx3-ubyte": "MNIST/raw/train-labels-idx1-ubyte.gz",
    "raw/train-images-idx3-ubyte.gz": "raw/train-labels-idx1-ubyte",
    "train-images-idx3-ubyte.gz": "train-labels-idx1-ubyte.gz",
}


@pytest.mark.parametrize("images", NAMES)
def test_names_that_people_have(tmp_path, digits, images):
    paths = [tmp_path / name for name in (images, NAMES[images])]
    for path, array in zip(paths, digits, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_idx(path, array)
    assert load_dataset("mnist", tmp_path).x.shape == (7, 16)


@pytest.fixture
def served(tmp_path, digits, monkeypatch):
    """The files of a mirror, and the addresses that it was asked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files, asked = {}, []
    for name, array in zip(download.CHECKSUMS, digits, strict=True):
        write_idx(tmp_path / name, array)
        files[name] = (tmp_path / name).read_bytes()

    def urlopen(url, timeout):
        asked.append(url)
        return io.BytesIO(files[url.rsplit("/", 1)[1]])

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return files, asked


def known(monkeypatch, files):
    checksums = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    monkeypatch.setattr(download, "CHECKSUMS", checksums)


def test_download_checks_and_caches(tmp_path, served, monkeypatch):
    files, asked = served
    with pytest.raises(UserError, match="wrong checksum"):
        load_dataset("mnist")
    assert not list(tmp_path.glob("cache/**/*ubyte*"))
    known(monkeypatch, files)
    first = load_dataset("mnist")
    asked.clear()
    second = load_dataset("mnist")
    assert asked == []
    np.testing.assert_array_equal(first.x, second.x)


def test_a_damaged_file_of_the_cache_is_fetched_again(tmp_path, served, monkeypatch):
    files, asked = served
    known(monkeypatch, files)
    first = load_dataset("mnist")
    for path in tmp_path.glob("cache/**/*ubyte*"):
        path.write_bytes(path.read_bytes()[:-1])
        asked.clear()
        np.testing.assert_array_equal(load_dataset("mnist").x, first.x)
        assert len(asked) == 2


WITHOUT = {
    "offline": urllib.error.URLError("no route"),
    "broken off": http.client.IncompleteRead(b"1", 5),
    "not HTTP": http.client.BadStatusLine("SSH-2.0"),
    "redirected for ever": urllib.error.HTTPError(
        "http://a", 302, "a loop\nin three\nlines", http.client.HTTPMessage(), None
    ),
    "redirected to nothing": ValueError("unknown url type: 'x'"),
}


@pytest.mark.parametrize("kind", WITHOUT)
def test_without_a_download_both_ways_out_are_named(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def urlopen(url, timeout):
        raise WITHOUT[kind]

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(UserError, match=r"--data-dir.*--dataset mnist5k") as caught:
        load_dataset("mnist")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
