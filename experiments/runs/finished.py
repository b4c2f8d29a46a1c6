"""Finished runs, as the commands that come after training open them."""

from pathlib import Path

import jax
import jax.numpy as jnp

from experiments.command.errors import UserError
from experiments.runs.directory import (
    CHECKPOINT,
    CONFIG,
    MODELS,
    Run,
    holds_results,
    load_run,
    made_by,
)
from nelc_jax import Model, Parameters
from nelc_jax._disk import read_config

_OF_ENSEMBLES = ("compare", "verdict", "horizon", "loops")
_PARAMETERS = ("w", "a", "w_bar", "a_bar")
_KERNELS = ("latent_kernel", "log_latent_kernel", "occupancy")
_NEEDED = (*_PARAMETERS, "x_mean", "x", *_KERNELS)


def open_run(path: Path) -> Run:
    """Read a finished run of `train_ensemble`, or an ensemble of another command.

    **Raises:** `UserError` when it is not one, is not finished, or cannot be read.
    """
    try:
        if not path.is_dir():
            raise UserError(
                f"{path} is not a directory: give the --out of a finished run"
            )
        _check_one_ensemble(path)
        run = load_run(path)
        if not len(run.models["model"]):
            raise ValueError(f"{MODELS} has no models")
    except (OSError, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} cannot be read ({reason}): go on with it by --resume, or train it "
            "again"
        ) from error
    if "epochs" not in run.config:
        raise UserError(
            f"{path}: {CONFIG} is not that of train_ensemble; give one of its runs"
        )
    if run.latent is None and "w_bar" in run.arrays:
        raise UserError(f"{path} was written by an earlier version: train it again")
    if _of_rbms(run.config):
        raise UserError(
            f"{path} holds restricted Boltzmann machines, not models with a latent "
            "cycle: give an ensemble of these"
        )
    if _of_loops(run.config):
        raise UserError(
            f"{path} holds deeper loops, not models of two layers: give an ensemble of "
            "these"
        )
    needed = _NEEDED
    if run.latent is not None and not run.latent.enumerable:
        needed = tuple(name for name in _NEEDED if name not in _KERNELS)
    missing = [name for name in needed if name not in run.arrays]
    if missing:
        raise UserError(
            f"{path} is not a finished run: {CHECKPOINT} lacks {', '.join(missing)}"
        )
    return run


RBM_RULE = "Pcd("
"""How the rule of restricted Boltzmann machines is described."""


def _check_one_ensemble(path: Path):
    """Refuse the directory of a command that writes an ensemble a directory below."""
    command = made_by(path)
    if command not in _OF_ENSEMBLES:
        return
    finished = sorted(filter(holds_results, path.iterdir()))
    configs = {p: read_config(p)[0] for p in finished}
    cycles = [p for p, c in configs.items() if not (_of_rbms(c) or _of_loops(c))]
    way_out = f"such as {cycles[0]}" if cycles else "once it is finished"
    raise UserError(
        f"{path} is of {command}, with an ensemble in each directory below: give one "
        f"of these, {way_out}"
    )


def _of_loops(config: dict) -> bool:
    return "layers" in config


def _of_rbms(config: dict) -> bool:
    return str(config.get("rule", "")).startswith(RBM_RULE)


def models_of(run: Run) -> Model:
    """The models of a run, with a leading axis."""
    latent = run.latent
    assert latent is not None, "a run of models"

    def one(x_mean, *parameters):
        return Model(Parameters(*parameters), x_mean, latent)

    names = ("x_mean", *_PARAMETERS)
    return jax.vmap(one)(*(jnp.asarray(run.arrays[name]) for name in names))


def model_of(run: Run, index: int) -> Model:
    """The model in one row of `models.csv`."""
    return jax.tree.map(lambda array: array[index], models_of(run))
