"""What the tests of the commands share: data, and what was compiled before."""

import numpy as np
import pytest

from experiments.runs.directory import create_run_directory, write_run

from . import brief
from .synthetic import synthetic_run


@pytest.fixture(scope="session")
def points(tmp_path_factory):
    """Sixty points around three patterns of nine pixels, with their labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    patterns = rng.random((3, 9)) < 0.5
    path = tmp_path_factory.mktemp("data") / "points.npz"
    np.savez(path, x=patterns[labels] ^ (rng.random((60, 9)) < 0.1), labels=labels)
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """The environment of processes: what one has compiled serves the others."""
    return {
        "JAX_ENABLE_COMPILATION_CACHE": "true",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


@pytest.fixture(scope="module")
def short():
    """Trainings without measures, figures and report."""
    with pytest.MonkeyPatch.context() as patch:
        brief.shorten(patch.setattr)
        yield


@pytest.fixture
def blank(monkeypatch):
    """Figures that are saved as a dot."""
    brief.blank(monkeypatch.setattr)


@pytest.fixture
def finished(tmp_path):
    """The directory of a run whose training has ended."""
    path = tmp_path / "run"
    run = synthetic_run()
    create_run_directory(path, run.config)
    write_run(path, run)
    return path
