"""Compiled programs are kept for the next command, in a directory of the user alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
import jax
from experiments.command.programs import keep_programs

found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event))
keep_programs(sys.argv[1] == "True")
print(jax.config.jax_compilation_cache_dir)
jax.jit(lambda x: x + 1)(1.0)
print("/jax/compilation_cache/cache_hits" in found)
"""


@pytest.fixture
def run(tmp_path):
    """A process that compiles: where it keeps its programs, and if it found them."""

    def once(keep=True, **environment):
        names = ("JAX_ENABLE_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_DIR")
        env = {k: v for k, v in os.environ.items() if k not in names}
        env |= {"XDG_CACHE_HOME": str(tmp_path), **environment}
        command = [sys.executable, "-c", PROGRAM, str(keep)]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        return tuple(done.stdout.split())

    return once


def test_the_next_process_finds_them(run, tmp_path):
    place, found = run()
    assert found == "False"
    assert run() == (place, "True")
    directory = tmp_path / "nelc_jax" / "programs"
    assert Path(place).parent == directory
    assert directory.stat().st_mode & 0o077 == 0
    # Control: without it, all is compiled anew and no directory is asked for.
    assert run(keep=False) == ("None", "False")


def test_a_directory_that_others_can_write_to_is_not_used(run, tmp_path):
    run()
    (tmp_path / "nelc_jax" / "programs").chmod(0o777)
    assert run() == ("None", "False")


def test_settings_of_jax_come_first(run, tmp_path):
    mine = str(tmp_path / "mine")
    assert run(JAX_COMPILATION_CACHE_DIR=mine)[0] == mine
    assert run(JAX_ENABLE_COMPILATION_CACHE="false")[0] == "None"
    assert not (tmp_path / "nelc_jax").exists()
