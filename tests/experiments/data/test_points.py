"""Files of one's own: what is read, and what is refused."""

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy
from scipy import sparse

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


def header(shape, version=(1, 0), descr="|b1"):
    """The beginning of a NumPy file that claims an array of a shape."""
    file = io.BytesIO()
    about = {"descr": descr, "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, about)
    return file.getvalue()


def archive(path, content, compression=zipfile.ZIP_STORED, name="x.npy"):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(name, content)


def encrypted(path):
    archive(path, header((2, 2)) + bytes(4))
    raw = bytearray(path.read_bytes())
    # The flag of encryption, of the member and in the directory of the archive.
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)


def corrupt(path):
    archive(path, header((300, 300)) + bytes(90000), zipfile.ZIP_DEFLATED)
    raw = bytearray(path.read_bytes())
    raw[45:60] = bytes(15)
    path.write_bytes(raw)


HOSTILE = {
    "encrypted": encrypted,
    "lzma": lambda p: archive(p, b"\x93NUMPY no", zipfile.ZIP_LZMA),
    "huge": lambda p: archive(p, header((10**7, 10**7))),
    "beyond integers": lambda p: archive(p, header((2**62, 2**62))),
    "negative": lambda p: archive(p, header((-1, 4)) + bytes(4)),
    "short": lambda p: archive(p, header((4, 4)) + bytes(15)),
    "no header": lambda p: archive(p, bytes(16)),
    "empty": lambda p: archive(p, b""),
    "corrupt": corrupt,
    "objects": lambda p: archive(p, header((1, 1), descr="|O") + bytes(8)),
    "code": lambda p: archive(p, b"\x93NUMPY\x01\x00\x10\x00__import__('os')"),
    "later format": lambda p: archive(p, b"\x93NUMPY\x09\x00\x10\x00" + bytes(16)),
    "folder": lambda p: p.mkdir(),
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("suffix", ["npz", "npy"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_one_line(tmp_path, kind, suffix):
    path = tmp_path / f"hostile.{suffix}"
    HOSTILE[kind](path)
    with pytest.raises(UserError) as caught:
        load_dataset(str(path))
    assert str(caught.value).startswith(f"--dataset {path}")
    assert "\n" not in str(caught.value)


def test_no_more_is_unpacked_than_the_header_says(tmp_path):
    """A bomb behind a small array, and one that says how large it is."""
    path = tmp_path / "bomb.npz"
    bomb = bytes(10**8)
    archive(path, header((2, 2)) + bytes(4) + bomb, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    assert load_dataset(str(path)).x.shape == (2, 2)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
    archive(path, header((10**6, 10**9)) + bomb, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"x \(1000000, 1000000000\) of bool needs 909"):
        load_dataset(str(path))


def test_names_and_labels_that_people_have(tmp_path):
    path = tmp_path / "OWN.NPZ"
    labels = np.array([b"cat", b"caf\xc3\xa9", b"cat"])
    with path.open("wb") as file:
        np.savez_compressed(file, x=np.asfortranarray(np.eye(3)), labels=labels)
    dataset = load_dataset(str(path))
    assert dataset.class_names == ("café", "cat")
    np.testing.assert_array_equal(dataset.x, np.eye(3, dtype=bool))
    with (tmp_path / "SPARSE.Npz").open("wb") as file:
        sparse.save_npz(file, sparse.csr_array(np.eye(3)))
    with pytest.raises(UserError, match=r"expected x.toarray\(\) of the SciPy matrix"):
        load_dataset(str(tmp_path / "SPARSE.Npz"))
