"""Models in files: what is written is read, and nothing else is."""

import hashlib
import json
import os
import stat

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors
from safetensors import safe_open

import nelc_jax
from nelc_jax import Binary, Model, OneHot, Parameters


def one_model(latent, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)

    def array(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(dtype))

    units = latent.num_units
    parameters = Parameters(array(5, units), array(5), array(units, 5), array(units))
    x_mean = jnp.asarray(rng.random(5).astype(dtype))
    return Model(parameters, x_mean, latent)


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    chex.assert_trees_all_equal_shapes_and_dtypes(one, other)
    chex.assert_trees_all_equal(one, other)


@pytest.mark.parametrize(
    "latent", [OneHot(3, "softmax"), OneHot(1), Binary(2), Binary(2, 3)], ids=repr
)
def test_round_trip(tmp_path, latent):
    path = tmp_path / "model"
    model = one_model(latent)
    nelc_jax.save(path, model)
    assert_same(nelc_jax.load(path), model)
    nelc_jax.save(str(path), one_model(latent, seed=1))
    assert_same(nelc_jax.load(str(path)), one_model(latent, seed=1))
    assert list(tmp_path.iterdir()) == [path]


def test_ensembles_keep_their_leading_axes(tmp_path):
    path = tmp_path / "models.safetensors"
    models = [one_model(OneHot(3), seed) for seed in range(4)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a).reshape(2, 2, *a[0].shape), *models)
    nelc_jax.save(path, stacked)
    assert_same(nelc_jax.load(path), stacked)
    # Any reader of the format opens it.
    arrays = safetensors.load_file(path)
    np.testing.assert_array_equal(arrays["w"][1, 0], models[2].parameters.w)
    with safe_open(path, "numpy") as file:
        about = json.loads(file.metadata()["nelc_jax"])
    assert about["latent"]["name"] == "OneHot"


def test_arrays_beside_the_model(tmp_path):
    """As in the checkpoint of a run, which is read from its directory."""
    model = one_model(OneHot(3))
    step = np.arange(4)
    nelc_jax.save(tmp_path / "checkpoint.safetensors", model, {"step": step})
    assert_same(nelc_jax.load(tmp_path), model)
    arrays = safetensors.load_file(tmp_path / "checkpoint.safetensors")
    np.testing.assert_array_equal(arrays["step"], step)
    with pytest.raises(ValueError, match=r"arrays has \['a', 'w'\]"):
        nelc_jax.save(tmp_path / "other", model, {"w": step, "a": step})
    with pytest.raises(FileNotFoundError):
        nelc_jax.load(tmp_path / "other")


def test_double_precision(tmp_path):
    path = tmp_path / "model.safetensors"
    with jax.enable_x64(True):
        model = one_model(OneHot(3), dtype=np.float64)
        nelc_jax.save(path, model)
        assert_same(nelc_jax.load(path), model)
    with pytest.raises(ValueError, match=r"model.safet.*float64: set jax_enable_x64"):
        nelc_jax.load(path)


def outcome(path):
    try:
        return nelc_jax.load(path)
    except ValueError as error:
        return str(error)


def test_no_cut_and_no_flipped_bit_of_the_header_is_read_as_another_model(tmp_path):
    """The header says what the numbers are; of a number any bit may be another."""
    path = tmp_path / "model.safetensors"
    model = one_model(OneHot(2))
    nelc_jax.save(path, model)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    changed = [whole[:end] for end in range(0, len(whole), 20)]
    for place in range(0, header, 3):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place // 3 % 8
        changed.append(bytes(flipped))
    refused = 0
    for data in changed:
        path.write_bytes(data)
        found = outcome(path)
        if isinstance(found, str):
            assert found.startswith(f"{path}: ")
            assert "\n" not in found
            refused += 1
        else:
            # Spaces of the header mean nothing.
            assert_same(found, model)
    assert refused > 0.8 * len(changed)


ABOUT = {
    "schema": 2,
    "latent": {"name": "OneHot", "num_units": 3, "normalization": "sigmoid"},
}


def write(path, about=None, **changes):
    """A file like that of `save`, with other arrays or words about them."""
    model = one_model(OneHot(3))
    arrays = {name: np.array(a) for name, a in vars(model.parameters).items()}
    arrays |= {"x_mean": np.array(model.x_mean)}
    kept = {name: a for name, a in (arrays | changes).items() if a is not None}
    about = json.dumps(ABOUT) if about is None else about
    metadata = {"nelc_jax": about} if about else None
    path.write_bytes(safetensors.save(kept, metadata))


def latent(**settings):
    return {"about": json.dumps(ABOUT | {"latent": settings})}


HOSTILE = {
    r"w of shape \(5,\), expected": {"w": np.zeros(5, np.float32)},
    r"a of shape \(4,\) beside w of shape \(5, 3\)": {"a": np.zeros(4, np.float32)},
    "w_bar of type int64": {"w_bar": np.zeros((3, 5), int)},
    "w of type float16": {"w": np.zeros((5, 3), np.float16)},
    "has no array a": {"a": None},
    "has no model; expected a file of nelc_jax.save": {"about": ""},
    "or a finished run": {"about": "import os"},
    "of nelc_jax.save": {"about": "[]"},
    "expected a file of nelc_jax.save, or a": {"about": '{"schema": 2, "latent": 3}'},
    "has schema 3, and this version reads 2": {
        "about": json.dumps(ABOUT | {"schema": 3})
    },
    "has latent space os: expected one of OneHot, Binary": latent(name="os"),
    "has latent space {.*'num_units': 0": latent(name="OneHot", num_units=0),
    "has latent space {.*'other': 1": latent(name="OneHot", num_units=3, other=1),
    r"x_mean\[2\]=nan: expected a mean in": {
        "x_mean": np.array([0, 1, np.nan, 0, 0], np.float32)
    },
    "has 2 latent units, and a_bar 3": latent(name="Binary", num_units=2),
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_other_files_are_refused_in_one_line(tmp_path, reason):
    path = tmp_path / "model.safetensors"
    write(path)
    assert isinstance(nelc_jax.load(path), Model)
    write(path, **HOSTILE[reason])
    with pytest.raises(ValueError, match=reason) as caught:
        nelc_jax.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_pickles_and_archives_are_not_opened(tmp_path):
    path = tmp_path / "model"
    with path.open("wb") as file:
        np.savez(file, w=np.array([print, 1], dtype=object))
    with pytest.raises(ValueError, match="no safetensors file, or damaged"):
        nelc_jax.load(path)


def test_what_cannot_be_saved(unchecked, tmp_path):
    path = tmp_path / "model.safetensors"
    model = one_model(OneHot(3))
    with pytest.raises(TypeError, match="model is a Parameters: expected a Model"):
        nelc_jax.save(path, model.parameters)
    mixed = Model(model.parameters, model.x_mean[:-1], model.latent)
    with pytest.raises(ValueError, match=r"x_mean of shape \(4,\) beside"):
        nelc_jax.save(path, mixed)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        nelc_jax.load(path)


def test_an_older_file_survives_a_failed_write(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    model = one_model(OneHot(3))
    nelc_jax.save(path, model)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        nelc_jax.save(path, one_model(OneHot(3), seed=1))
    assert list(tmp_path.iterdir()) == [path]
    assert_same(nelc_jax.load(path), model)


def test_modes_follow_the_umask(tmp_path):
    model = one_model(OneHot(3))
    for mask in (0o022, 0o077, 0o002):
        before = os.umask(mask)
        try:
            path = tmp_path / f"{mask:o}"
            nelc_jax.save(path, model)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_link_is_replaced_and_a_pipe_is_not_read(tmp_path):
    path, mine = tmp_path / "model", tmp_path / "mine"
    mine.write_text("mine")
    path.symlink_to(mine)
    nelc_jax.save(path, one_model(OneHot(3)))
    assert not path.is_symlink()
    assert mine.read_text() == "mine"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        nelc_jax.load(tmp_path / "pipe")


def test_a_run_is_read_once_it_is_finished(tmp_path):
    """Its `config.json` names the digests of its files, and of its settings."""
    model, other = one_model(OneHot(3)), one_model(OneHot(3), seed=1)
    checkpoint, config = tmp_path / "checkpoint.safetensors", tmp_path / "config.json"
    nelc_jax.save(checkpoint, model)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    settings = hashlib.sha256(b'{"seed": 3}').hexdigest()
    results = {"checkpoint.safetensors": digest, "config.json": settings}
    config.write_text(json.dumps({"seed": 3, "results": results}))
    assert_same(nelc_jax.load(tmp_path), model)
    for about, words in (
        ({"seed": 3}, "is not finished: config.json names no results"),
        ({"seed": 4, "results": results}, "as it was finished: config.json was chan"),
        ([1], "config.json is damaged"),
        ({"seed": 3, "results": 1}, "config.json is damaged"),
        ({"seed": 3, "results": {**results, "models.csv": ""}}, "models.csv is miss"),
    ):
        config.write_text(json.dumps(about))
        with pytest.raises(ValueError, match=words) as caught:
            nelc_jax.load(tmp_path)
        assert str(caught.value).startswith(f"{tmp_path}: ")
    config.write_text(json.dumps({"seed": 3, "results": results}))
    nelc_jax.save(checkpoint, other)
    with pytest.raises(ValueError, match=r"checkpoint.safetensors is another than"):
        nelc_jax.load(tmp_path)
