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


def run(*command, cwd, status=0, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


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


def test_wheel_has_the_library_with_its_types_and_its_commands(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = (name for name in names if name.endswith("/METADATA"))
        lines = archive.read(about).decode().splitlines()
    assert "nelc_jax/py.typed" in names
    assert "nelc_jax/_native/cycles.c" in names
    commands = {name for name in names if name.startswith("nelc_jax_commands/")}
    # No package `experiments`, which may be a user's own.
    rest = {name.split("/")[0].split("-")[0] for name in set(names) - commands}
    assert rest == {"nelc_jax"}
    of_commands = {str(path.relative_to(ROOT)) for path in in_repository("experiments")}
    carried = {name.removeprefix("nelc_jax_commands/") for name in commands}
    assert carried == {"__init__.py", *of_commands}
    assert "License-Expression: Apache-2.0" in lines
    assert any(line.startswith("Author") for line in lines)
    assert any(line.startswith("Project-URL: Paper, https://") for line in lines)


def in_repository(folder):
    files = (ROOT / folder).rglob("*")
    return [file for file in files if file.is_file() and file.suffix != ".pyc"]


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
    assert_script_runs(site / "bin" / "nelc-jax", site, tmp_path)


def assert_script_runs(script, site, cwd):
    """From the installed files alone; without other packages, as far as it can."""

    def call(*arguments, python=(), **options):
        command = (*python, str(script), *arguments)
        return run(*command, cwd=cwd, PYTHONPATH=str(site), **options)

    # -S: no packages but those of the wheel, so that this waits for none of them.
    bare = ("-S",)
    assert "oscillators" in call("--help", python=bare)
    version = metadata.version("nelc_jax")
    assert call("--version", python=bare) == f"nelc-jax {version}\n"
    for arguments, words in (
        ("trian", "error: trian is no command: did you mean train?"),
        ("train", "error: nelc-jax train needs the package "),
    ):
        line = call(arguments, python=bare, status=2)
        assert line.startswith(words)
        assert line.count("\n") == 1
    assert "pip install 'nelc_jax[experiments]'" in line
    # Its own files, whatever stands beside the user.
    (cwd / "experiments").mkdir()
    (cwd / "experiments" / "__init__.py").write_text("raise SystemError")
    help_text = call("train", "--help")
    assert help_text.startswith("Usage: nelc-jax train --out PATH [OPTIONS]")
    assert "--learning-rate" in help_text
