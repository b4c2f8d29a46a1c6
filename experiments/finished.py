"""Finished runs, as the commands that come after training open them."""

from pathlib import Path

import jax.numpy as jnp
from safetensors import SafetensorError

from experiments.errors import UserError
from experiments.run_directory import CHECKPOINT, CONFIG, Run, load_run
from nelc_jax.latent import Binary, OneHot
from nelc_jax.model import Model, Parameters

_PARAMETERS = ("w", "a", "w_bar", "a_bar")
_KERNELS = ("latent_kernel", "log_latent_kernel", "occupancy")
_NEEDED = (*_PARAMETERS, "x_mean", "x", *_KERNELS)


def open_run(path: Path) -> Run:
    """Read a finished run of `train_ensemble`.

    **Raises:** `UserError` when it is not one, is not finished, or cannot be read.
    """
    if not path.is_dir():
        raise UserError(f"{path} is not a directory: give the --out of a finished run")
    try:
        run = load_run(path)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read ({reason}): train it again") from error
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
