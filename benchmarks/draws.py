"""Entropy production against the draws it rests on: `python -m benchmarks.draws RUN`.

An average of too few draws misses the rarest transitions, whose logarithms make sigma,
and no part of the draws tells what all of them have missed: the jackknife has the error
of what was seen. More draws do tell. Then the two estimators of the whole chain's
entropy production at one number of draws of x.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from experiments.command.errors import reports_user_errors
from experiments.command.parser import read_options
from experiments.runs.finished import model_of, open_run
from nelc_jax.diagnostics import (
    force_times_flux,
    jackknife_error,
    summarize_batches,
    whole_chain_entropy_production,
)

BATCHES = 16

DRAWS = 2**16
"""Draws of x for the whole chain's."""

QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, kw_only=True)
class Draws:
    """sigma of the models of a finished run from more and more draws a state."""

    run: Path = field(kw_only=False)
    """Directory of the ensemble."""
    first: int = 4608
    """Draws of x a latent state; then the factor times as many, and so on."""
    factor: int = 8
    """From one number of draws to the next."""
    repeats: int = 3
    """Numbers of draws."""
    models: int | None = None
    """Models, from the first. Default: all."""


@partial(jax.jit, static_argnums=2)
def _measure(model, key, num_samples):
    x = model.x_mean[None] > 0.5
    found, replicates = summarize_batches(model, key, x, num_samples, BATCHES)
    error = jackknife_error(replicates.entropy_production_rate)
    return found.entropy_production_rate, error, found.occupancy


@partial(jax.jit, static_argnums=3)
def _whole_chain(model, key, occupancy, num_draws):
    a_state, x = num_draws // model.latent.num_states, model.x_mean > 0.5
    return (
        force_times_flux(model, key, x, num_draws),
        whole_chain_entropy_production(model, key, occupancy, a_state),
    )


@reports_user_errors
def main() -> None:
    """Run the command."""
    options = read_options(Draws, "python -m benchmarks.draws")
    run = open_run(options.run)
    indices = range(len(run.arrays["a_bar"]))[: options.models]
    counts = [options.first * options.factor**k for k in range(options.repeats)]
    measured = [
        [
            jax.device_get(_measure(model_of(run, i), jax.random.key(i), count))
            for i in tqdm(indices, desc=f"{count} draws", unit="model")
        ]
        for count in counts
    ]
    sigma, error = (
        np.array([[of[k] for of in row] for row in measured]) for k in (0, 1)
    )
    print(
        "| Draws a state | sigma, quartiles | its error, median | ratio to the most "
        "draws, quartiles | above it by 3 errors |\n| --- | --- | --- | --- | --- |"
    )
    best = sigma[-1]
    for count, values, errors in zip(counts, sigma, error, strict=True):
        spread = " / ".join(f"{q:.4g}" for q in np.quantile(values, QUARTILES))
        ratio = " / ".join(f"{q:.3f}" for q in np.quantile(values / best, QUARTILES))
        above = np.mean(values - best > 3 * np.hypot(errors, error[-1]))
        print(
            f"| {count} | {spread} | {np.median(errors):.2g} | {ratio} | {above:.0%} |"
        )

    pairs = [
        jax.device_get(_whole_chain(model_of(run, i), jax.random.key(i), law, DRAWS))
        for i, (_, _, law) in zip(indices, measured[-1], strict=True)
    ]
    along, listed = (
        np.array([(of.value, of.error) for of in k]) for k in zip(*pairs, strict=True)
    )
    variances = np.quantile((along[:, 1] / listed[:, 1]) ** 2, QUARTILES)
    apart = np.quantile(along[:, 0] / listed[:, 0] - 1, QUARTILES)
    print(
        f"\nThe whole chain, {DRAWS} draws of x: force times flux has "
        f"{' / '.join(f'{v:.2f}' for v in variances)} of the variance of the average "
        f"over all states (quartiles), and is off by "
        f"{' / '.join(f'{v:.2%}' for v in apart)} of it"
    )


if __name__ == "__main__":
    main()
