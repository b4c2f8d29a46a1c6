"""What happens where the native path cannot be had."""

import os
import stat
import subprocess
import sys

import pytest

from nelc_jax._native import compiler
from nelc_jax._native.compiler import Unavailable


@pytest.fixture
def script(tmp_path):
    """Commands of the shell as a compiler."""

    def write(text):
        path = tmp_path / "cc"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return (str(path),)

    return write


@pytest.fixture
def cache(tmp_path):
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    return place


def refused(message, call, *arguments):
    with pytest.raises(Unavailable, match=message) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)


def test_compiled_once_and_for_the_user_alone(command, cache):
    path = compiler.compiled(8, command, cache)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    written = path.stat().st_mtime_ns
    assert compiler.compiled(8, command, cache) == path
    assert path.stat().st_mtime_ns == written
    assert list(cache.iterdir()) == [path]
    compiler.load(path)


WRITES = 'while [ "$1" != -o ]; do shift; done; echo library > "$2"'


@pytest.mark.parametrize("damage", ["end", "start", "all"])
def test_damaged_library_is_compiled_again(script, cache, damage):
    writes = script(WRITES)
    path = compiler.compiled(8, writes, cache)
    whole = path.read_bytes()
    left = {"end": whole[:-1], "start": b"x" + whole[1:], "all": b""}
    path.write_bytes(left[damage])
    assert compiler.compiled(8, writes, cache) == path
    assert path.read_bytes() == whole


def test_no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("NELC_JAX_NATIVE", raising=False)
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    refused("no C compiler", compiler.find_compiler)


def test_switched_off(monkeypatch):
    monkeypatch.setenv("NELC_JAX_NATIVE", "0")
    refused("NELC_JAX_NATIVE=0", compiler.find_compiler)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo no such flag >&2; exit 1", "no such flag"),
        ("kill -SEGV $$", "failed: no output"),
        ("exit 0", "failed: no output"),
        ("echo one >&2; echo two >&2; exit 1", "one$"),
    ],
)
def test_failing_compiler(script, cache, text, message):
    refused(message, compiler.compiled, 8, script(text), cache)
    assert not list(cache.iterdir())


def test_compiler_without_end(script, cache, monkeypatch):
    monkeypatch.setattr(compiler, "SECONDS", 0.1)
    refused(
        "took more than 0.1 s", compiler.compiled, 8, script("exec sleep 60"), cache
    )


def test_library_of_something_else(script, cache):
    nonsense = script(WRITES)
    refused("cannot load", compiler.load, compiler.compiled(8, nonsense, cache))


def test_cache_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    refused("no cache directory", compiler.cache_directory)


def test_cache_that_cannot_be_written(command, tmp_path):
    refused("cannot write to", compiler.compiled, 8, command, tmp_path / "gone")


def test_cache_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = compiler.cache_directory()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    place.chmod(0o777)
    refused("open to others", compiler.cache_directory)


PROGRAM = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import jax, jax.numpy as jnp, nelc_jax as nj
    x = jax.random.bernoulli(jax.random.key(0), 0.3, (9, 5))
    rule = nj.Cycles(nj.OneHot(2), nj.TrajectoryGradient(3))
    state = rule.init(jax.random.key(1), x)
    state, info = nj.train(rule, state, x, jnp.full(2, 4))
    assert info.finite.all()
print(nj.native_path())
print(*[w.message for w in caught], sep="|")
"""


def test_xla_where_the_compiler_fails(tmp_path, script):
    (crashing,) = script("kill -SEGV $$")
    asked = {"CC": crashing, "NELC_JAX_NATIVE": "1", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    path, warned = done.stdout.splitlines()
    assert path.startswith("XLA (")
    assert warned.count("NELC_JAX_NATIVE=1: ") == 1
    assert warned.endswith("XLA is used")
