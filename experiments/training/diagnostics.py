"""Diagnostics from outside: numbers of every trained model, with names and units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.training.measure import Likelihood, Measured
from nelc_jax.diagnostics.summary import Summary
from nelc_jax.model import Model


@dataclass(frozen=True)
class Diagnostic:
    """A number of a trained model: a column of `models.csv`, and of the report.

    `function`, pure, takes the model and the summary of its latent chain (with
    `log_latent_kernel`, `occupancy`, ...; where latent states are sampled, with the
    `log_likelihood` alone) and returns a scalar; `name`, that of the
    column; `unit`, empty for none; `meaning`, half a sentence for the report.
    """

    name: str
    unit: str
    meaning: str
    function: Callable[[Model, Summary], Float[Array, ""]]


def describe_diagnostics(diagnostics: Sequence[Diagnostic]) -> dict[str, dict]:
    """What `config.json` says of them, and the report reads there."""
    return {d.name: {"unit": d.unit, "meaning": d.meaning} for d in diagnostics}


def diagnostic_columns(
    diagnostics: Sequence[Diagnostic], models: Model, measured: Measured | Likelihood
) -> dict[str, np.ndarray]:
    """The columns of `models.csv`, one entry a model."""

    def all_of(pair):
        return [jnp.asarray(d.function(*pair)) for d in diagnostics]

    if not diagnostics:
        return {}
    # Members in turn: what a diagnostic allocates adds up.
    values = jax.jit(lambda pairs: jax.lax.map(all_of, pairs))(
        (models, getattr(measured, "summary", measured))
    )
    return {
        d.name: np.asarray(value) for d, value in zip(diagnostics, values, strict=True)
    }
