import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nelc_jax
from nelc_jax import Binary, Model, OneHot, Parameters, files


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
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("latent", [OneHot(3, "softmax"), OneHot(1), Binary(2)])
def test_round_trip(tmp_path, latent):
    path = tmp_path / "model"
    model = one_model(latent)
    nelc_jax.save(path, model)
    assert_same(nelc_jax.load(path), model)
    nelc_jax.save(str(path), model.parameters)
    assert_same(nelc_jax.load(str(path)), model.parameters)
    assert list(tmp_path.iterdir()) == [path]


def test_ensembles_keep_their_leading_axes(tmp_path):
    path = tmp_path / "models.npz"
    models = [one_model(OneHot(3), seed) for seed in range(4)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a).reshape(2, 2, *a[0].shape), *models)
    nelc_jax.save(path, stacked)
    assert_same(nelc_jax.load(path), stacked)
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["w"][1, 0], models[2].parameters.w)
        assert json.loads(str(archive["about"]))["latent"]["name"] == "OneHot"


def test_double_precision(tmp_path):
    path = tmp_path / "model.npz"
    with jax.enable_x64(True):
        model = one_model(OneHot(3), dtype=np.float64)
        nelc_jax.save(path, model)
        assert_same(nelc_jax.load(path), model)
    with pytest.raises(ValueError, match=r"model.npz.*float64: set jax_enable_x64"):
        nelc_jax.load(path)


def outcome(path):
    try:
        return nelc_jax.load(path)
    except ValueError as error:
        return str(error)


def test_no_cut_and_no_flipped_bit_is_read_as_another_model(tmp_path):
    path = tmp_path / "model.npz"
    model = one_model(OneHot(2))
    nelc_jax.save(path, model)
    whole = path.read_bytes()
    changed = [whole[:end] for end in range(0, len(whole), 40)]
    for place in range(0, len(whole), 5):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place // 5 % 8
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
            # Times and padding in the archive mean nothing.
            assert_same(found, model)
    assert refused > 0.8 * len(changed)


def write(path, **changes):
    model = one_model(OneHot(3))
    about = {
        "schema": 1,
        "latent": {"name": "OneHot", "num_units": 3, "normalization": "sigmoid"},
    }
    arrays = {name: np.array(a) for name, a in vars(model.parameters).items()}
    arrays |= {"x_mean": np.array(model.x_mean), "about": json.dumps(about)}
    kept = {name: a for name, a in (arrays | changes).items() if a is not None}
    np.savez(path, **kept)


HOSTILE = {
    r"w of shape \(5,\), expected": {"w": np.zeros(5, np.float32)},
    r"a of shape \(4,\) beside w of shape \(5, 3\)": {"a": np.zeros(4, np.float32)},
    "w_bar of type int64": {"w_bar": np.zeros((3, 5), int)},
    "w of type float16": {"w": np.zeros((5, 3), np.float16)},
    "arrays .* instead of": {"a": None},
    "instead of": {"extra": np.zeros(1)},
    "was not written by nelc_jax.save": {"about": None},
    "not written by nelc_jax.save": {"about": "import os"},
    "written by nelc_jax.save": {"about": "[]"},
    "has schema 2, and this version reads 1": {"about": '{"schema": 2}'},
    "has latent space": {"about": '{"schema": 1, "latent": {"name": "os"}}'},
    "latent space {}": {"about": '{"schema": 1, "latent": {}}'},
    r"x_mean\[2\]=nan: expected a mean in": {
        "x_mean": np.array([0, 1, np.nan, 0, 0], np.float32)
    },
    "has 2 latent units, and a_bar 3": {
        "about": '{"schema": 1, "latent": {"name": "Binary", "num_units": 2}}'
    },
    "allow_pickle=False": {"w": np.array([print, 1], dtype=object)},
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_other_files_are_refused_in_one_line(tmp_path, reason):
    path = tmp_path / "model.npz"
    write(path)
    assert isinstance(nelc_jax.load(path), Model)
    write(path, **HOSTILE[reason])
    with pytest.raises(ValueError, match=reason) as caught:
        nelc_jax.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_saved(tmp_path):
    class Other(OneHot):
        pass

    path = tmp_path / "model.npz"
    model = one_model(OneHot(3))
    with pytest.raises(ValueError, match="the latent space Other is not OneHot"):
        nelc_jax.save(path, one_model(Other(3)))
    mixed = Model(model.parameters, model.x_mean[:-1], model.latent)
    with pytest.raises(ValueError, match=r"x_mean of shape \(4,\) beside"):
        nelc_jax.save(path, mixed)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        nelc_jax.load(path)


def test_an_older_file_survives_a_failed_write(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model = one_model(OneHot(3))
    nelc_jax.save(path, model)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        nelc_jax.save(path, one_model(OneHot(3), seed=1))
    assert list(tmp_path.iterdir()) == [path]
    assert_same(nelc_jax.load(path), model)
