"""Finished runs, as the commands that come after training open them."""

import json
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
from safetensors import SafetensorError

from experiments.command.errors import UserError
from experiments.data.datasets import square
from experiments.runs.directory import CHECKPOINT, CONFIG, MODELS, Run, load_run
from nelc_jax.latent import Binary, OneHot
from nelc_jax.model import Model, Parameters

_PARAMETERS = ("w", "a", "w_bar", "a_bar")
_KERNELS = ("latent_kernel", "log_latent_kernel", "occupancy")
_OF_ENSEMBLES = ("compare", "verdict", "horizon")
_NEEDED = (*_PARAMETERS, "x_mean", "x", *_KERNELS)


def open_run(path: Path) -> Run:
    """Read a finished run of `train_ensemble`, or an ensemble of another command.

    **Raises:** `UserError` when it is not one, is not finished, or cannot be read.
    """
    if not path.is_dir():
        raise UserError(f"{path} is not a directory: give the --out of a finished run")
    try:
        _check_one_ensemble(path)
        run = load_run(path)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read ({reason}): train it again") from error
    if isinstance(run.config.get("part"), dict) and "x_mean" in run.arrays:
        run = _of_part(path, run)
    if "latent" not in run.config:
        raise UserError(
            f"{path}: {CONFIG} is not that of train_ensemble; give one of its runs"
        )
    missing = [name for name in _NEEDED if name not in run.arrays]
    if missing:
        raise UserError(
            f"{path} is not a finished run: {CHECKPOINT} lacks {', '.join(missing)}"
        )
    return run


def _check_one_ensemble(path: Path):
    """Refuse the directory of a command that writes an ensemble a directory below."""
    config = path / CONFIG
    if not config.is_file():
        return
    settings = json.loads(config.read_text())
    if isinstance(settings, dict) and settings.get("command") in _OF_ENSEMBLES:
        finished = sorted(table.parent for table in path.glob(f"*/{MODELS}"))
        cycles = [p for p in finished if '"kind": "cycles"' in (p / CONFIG).read_text()]
        way_out = f"such as {cycles[0]}" if cycles else "once it is finished"
        raise UserError(
            f"{path} is of {settings['command']}, with an ensemble in each directory "
            f"below: give one of these, {way_out}"
        )


def _of_part(path: Path, run: Run) -> Run:
    """An ensemble of `compare`, `verdict` or `horizon`, as `train_ensemble` has it."""
    settings = {**run.config, **run.config["part"]}
    del settings["part"]
    if settings.get("kind") != "cycles":
        raise UserError(
            f"{path} holds restricted Boltzmann machines, not models with a latent "
            "cycle: give an ensemble of these"
        )
    # Missing in older ones, and known from the number of pixels alone.
    shape = square(run.arrays["x_mean"].shape[-1])
    return replace(run, config={"image_shape": shape, **settings})


def model_of(run: Run, index: int) -> Model:
    """The model in one row of `models.csv`."""
    arrays = {name: jnp.asarray(run.arrays[name][index]) for name in _PARAMETERS}
    units = arrays["a_bar"].shape[-1]
    if run.config["latent"] == "binary":
        latent = Binary(units)
    else:
        latent = OneHot(units, run.config.get("normalization", "sigmoid"))
    x_mean = jnp.asarray(run.arrays["x_mean"][index])
    return Model(Parameters(**arrays), x_mean, latent)
