"""What a notebook wants: a finished run as tables, and chains as ArviZ takes them.

Import it by name, `import nelc_jax.notebook`; it needs pandas and xarray, which come
with ArviZ in the extra `notebook`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jax.typing import ArrayLike

from ._disk import read_config
from .files import load
from .model import Model

try:
    import pandas as pd
    import xarray as xr
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "nelc_jax.notebook needs pandas and xarray: pip install 'nelc_jax[notebook]'",
        name=error.name,
    ) from None

__all__ = ["FinishedRun", "load_run", "to_arviz"]


@dataclass(frozen=True)
class FinishedRun:
    """A finished run of the commands: its ensemble, settings and tables.

    `ensemble` has all models along the leading axis of its arrays, in the order of the
    rows of `models`, indexed by their numbers; `history` has a row for each model and
    epoch, indexed by both. Columns as in docs/running.md.
    """

    ensemble: Model
    settings: dict
    history: pd.DataFrame
    models: pd.DataFrame


def load_run(path: str | os.PathLike) -> FinishedRun:
    """Read the directory of a finished run, with its tables as pandas' data frames.

    **Raises:** `ValueError` when it is not finished, or no run of models; `OSError`
    when it cannot be read.
    """
    run = Path(path)
    settings, _ = read_config(run)
    ensemble = load(run)
    # As the tables are written: no other word than "nan" is an undefined number.
    models, history = (
        pd.read_csv(run / name, keep_default_na=False, na_values=["nan"])
        for name in ("models.csv", "history.csv")
    )
    return FinishedRun(
        ensemble,
        settings,
        history.set_index(["model", "epoch"]).sort_index(),
        models.set_index("model"),
    )


def to_arviz(
    x: ArrayLike, observables: Mapping[str, ArrayLike] | None = None
) -> xr.Dataset:
    """Visible chains as the xarray `Dataset` that ArviZ takes, by chain and draw.

    `x[chain, draw, pixel]` is there pixel by pixel, and `ones`, how many pixels are on:
    `arviz.ess(to_arviz(chains.x))`, `rhat` and `plot_trace` work on it. For the error
    of an average, ArviZ's effective sample size is that of `method="mean"`, which
    `diagnostics.effective_sample_size` estimates as well; its default ranks the draws
    first, and splits the chains.

    **Arguments:** `x` `(C, T, D)`, C chains of T double steps, as `jax.vmap` of
    `sample_chain` gives them; `observables`, others `(C, T, ...)`, by names.

    **Raises:** `ValueError` for another shape than that of chains, observables of
    other chains, or a name that is taken.
    """
    bits = np.asarray(x, np.int8)
    if bits.ndim != 3:
        raise ValueError(
            f"x.shape={bits.shape}: expected (C, T, D), chains side by side"
        )
    num_chains, num_draws, _ = bits.shape
    variables = {"x": bits, "ones": np.sum(bits, axis=-1, dtype=np.int32)}
    for name, given in (observables or {}).items():
        values = np.asarray(given)
        if name in variables:
            raise ValueError(
                f"observables has {name!r}: expected a name beside x, ones"
            )
        if values.shape[:2] != (num_chains, num_draws):
            raise ValueError(
                f"observables[{name!r}].shape={values.shape}: expected "
                f"({num_chains}, {num_draws}, ...), the chains and draws of x"
            )
        variables[name] = values

    def with_axes(name, values):
        others = [f"{name}_{axis}" for axis in range(values.ndim - 2)]
        return ["chain", "draw", *(["pixel"] if name == "x" else others)], values

    return xr.Dataset(
        {name: with_axes(name, values) for name, values in variables.items()},
        coords={"chain": np.arange(num_chains), "draw": np.arange(num_draws)},
    )
