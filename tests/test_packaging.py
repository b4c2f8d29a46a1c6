"""The wheel and the source distribution build, install and import."""

import os
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the unpacked source distribution, as an installer makes it."""
    out = tmp_path_factory.mktemp("dist")
    run("-m", "hatchling", "build", "-t", "sdist", "-d", str(out), cwd=ROOT)
    (source,) = out.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(out, filter="data")
    (unpacked,) = (path for path in out.iterdir() if path.is_dir())
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(out), cwd=unpacked)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_has_the_library_with_its_types_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = (name for name in names if name.endswith("/METADATA"))
        lines = archive.read(about).decode().splitlines()
    assert "nelc_jax/py.typed" in names
    assert "nelc_jax/_native/cycles.c" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"nelc_jax"}
    assert "License-Expression: Apache-2.0" in lines
    assert any(line.startswith("Author") for line in lines)
    assert any(line.startswith("Project-URL: Paper, https://") for line in lines)


def test_wheel_installs_and_imports(wheel, tmp_path):
    site = tmp_path / "site"
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    target = ("--target", str(site), str(wheel))
    run("-m", "pip", "install", *options, *target, cwd=tmp_path)
    program = "import nelc_jax; print(nelc_jax.__file__, nelc_jax.__version__)"
    shown = run("-W", "error", "-c", program, cwd=tmp_path, PYTHONPATH=str(site))
    place, version = shown.split()
    assert Path(place).is_relative_to(site)
    assert version == metadata.version("nelc_jax")
