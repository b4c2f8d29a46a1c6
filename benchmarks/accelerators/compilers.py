"""Environments with the compilers of GPUs and TPUs, which need no such device."""

import json
import os
import shutil
import subprocess
import venv
from pathlib import Path

import jax

PLATFORM = {"h100": "cuda", "v5e": "tpu", "v6e": "tpu"}
"""The platform of each target."""

PACKAGES = {
    "cuda": (
        f"jax-cuda12-pjrt=={jax.__version__}",
        f"jax-cuda12-plugin=={jax.__version__}",
        "nvidia-cuda-nvcc-cu12",
        f"jax=={jax.__version__}",
    ),
    "tpu": (f"jax[tpu]=={jax.__version__}",),
}
"""What is installed: the compilers of this version of JAX, and no driver."""

TIME_LIMIT = 1200
"""Seconds that a compilation may take."""


class Failure(Exception):
    """What could not be installed or compiled, in one line."""


def environment(platform: str, cache: Path) -> Path:
    """The Python of an environment with a platform's compiler, made at first use.

    **Raises:** `Failure` where the packages cannot be had.
    """
    place = cache / f"{platform}-{jax.__version__}"
    python, complete = place / "bin" / "python", place / "complete"
    if complete.exists():
        return python
    print(f"installing {' '.join(PACKAGES[platform])} in {place}", flush=True)
    try:
        venv.create(place, clear=True, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", *PACKAGES[platform]]
        subprocess.run(install, check=True, capture_output=True, text=True)
        complete.touch()
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(place, ignore_errors=True)
        said = _last_line(getattr(error, "stderr", None) or str(error))
        raise Failure(
            f"the compiler of {platform} could not be installed in {place}: {said}"
        ) from None
    return python


def compiled(python: Path, target: str, program: Path, text: Path) -> dict:
    """Compile an exported `program` by a Python that has the compiler (`compile_one`).

    **Raises:** `Failure` where it does not compile.
    """
    script = Path(__file__).with_name("compile_one.py")
    command = [python, script, target, program, text]
    # No device is looked for, and flags for this machine are not for that one.
    variables = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    variables |= {"JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1"}
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=TIME_LIMIT
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"not compiled in {TIME_LIMIT} s") from None
    if done.returncode:
        raise Failure(_last_line(done.stderr))
    return json.loads(done.stdout.splitlines()[-1])


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["nothing was said"])[-1][:200]
