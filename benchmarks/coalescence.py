"""Coalescence times of perfect sampling: `python -m benchmarks.coalescence`."""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.errors import reports_user_errors
from experiments.command.parser import read_options
from experiments.runs.diverged import sound
from experiments.runs.finished import model_of, open_run
from nelc_jax import OneHot, exact
from nelc_jax.diagnostics import relaxation_time
from nelc_jax.model import Model, Parameters
from nelc_jax.perfect import perfect_sample

STRENGTHS = {"sigmoid": (1, 2, 3, 4, 5, 6), "softmax": (0.5, 1, 1.5, 2, 3, 4)}
HORIZON = 20_000


@dataclass(frozen=True, kw_only=True)
class Coalescence:
    """Print the mean coalescence time beside the relaxation time, in double steps.

    Without --run: models that drive a cycle of 3 or 6 states, weakly to strongly.
    """

    run: Path | None = None
    """A finished run: its trained models instead."""
    samples: int = 1000
    """Draws a model."""


def cycle_model(latent: OneHot, strength: float) -> Model:
    """State s lights two pixels of its own, which call for state s + 1.

    Every logit is plus or minus the strength: 0 is a uniform draw, infinity a cycle.
    """
    size = latent.num_states
    signs = 2 * jnp.repeat(jnp.eye(size), 2, axis=0) - 1
    parameters = Parameters(
        w=strength * signs,
        a=jnp.zeros(2 * size),
        w_bar=strength * jnp.roll(signs.T, 1, axis=0),
        a_bar=jnp.zeros(size),
    )
    return Model(parameters, jnp.full(2 * size, 1 / size), latent)


def trained_models(path: Path) -> list[tuple[Model, float]]:
    """The models of a finished run and their relaxation times."""
    run = sound(open_run(path))
    times = run.models["relaxation_time"]
    return [(model_of(run, index), tau) for index, tau in enumerate(times)]


def report(name: str, model: Model, tau: float, num_samples: int) -> None:
    """Print one row; times of draws that did not coalesce count as the horizon."""
    drawn = _sample(model, num_samples)
    steps, coalesced = np.asarray(drawn.steps), np.asarray(drawn.coalesced)
    error = steps.std() / np.sqrt(num_samples)
    print(
        f"{name:24s}{tau:9.2f}{steps.mean():11.2f} ± {error:<8.2f}"
        f"{steps.mean() / tau:6.2f}{np.quantile(steps, 0.99):8.0f}"
        f"{coalesced.mean():11.3f}",
        flush=True,
    )


@jax.jit(static_argnums=1)
def _sample(model: Model, num_samples: int):
    return perfect_sample(model, jax.random.key(0), num_samples, HORIZON)


@reports_user_errors
def main() -> None:
    """Run the command."""
    options = read_options(Coalescence, "python -m benchmarks.coalescence")
    print(
        f"{'':24s}{'tau':>9s}{'mean N':>11s}{'':11s}{'N/tau':>6s}{'99 %':>8s}", end=""
    )
    print(f"{'coalesced':>11s}")
    if options.run is not None:
        for index, (model, tau) in enumerate(trained_models(options.run)):
            report(f"model {index}", model, tau, options.samples)
        return
    for normalization, strengths in STRENGTHS.items():
        for size in (3, 6):
            for strength in strengths:
                model = cycle_model(OneHot(size, normalization), strength)
                tau = float(relaxation_time(exact.latent_kernel(model)))
                name = f"{normalization}, S = {size}, {strength:g}"
                report(name, model, tau, options.samples)


if __name__ == "__main__":
    main()
