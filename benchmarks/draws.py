"""Entropy production against the draws it rests on: `python -m benchmarks.draws RUN`.

An average of too few draws misses the rarest transitions, whose logarithms make sigma,
and no part of the draws tells what all of them have missed: the jackknife has the error
of what was seen. More draws do tell.
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
from nelc_jax.diagnostics import jackknife_error, summarize_batches

BATCHES = 16


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
    return found.entropy_production_rate, error


@reports_user_errors
def main() -> None:
    """Run the command."""
    options = read_options(Draws, "python -m benchmarks.draws")
    run = open_run(options.run)
    indices = range(len(run.arrays["a_bar"]))[: options.models]
    counts = [options.first * options.factor**k for k in range(options.repeats)]
    table = np.array(
        [
            [
                jax.device_get(_measure(model_of(run, i), jax.random.key(i), count))
                for i in tqdm(indices, desc=f"{count} draws", unit="model")
            ]
            for count in counts
        ]
    )
    sigma, error = table[..., 0], table[..., 1]
    print(
        "| Draws a state | sigma, quartiles | its error, median | ratio to the most "
        "draws, quartiles | above it by 3 errors |\n| --- | --- | --- | --- | --- |"
    )
    best, quartiles = sigma[-1], (0.25, 0.5, 0.75)
    for count, values, errors in zip(counts, sigma, error, strict=True):
        spread = " / ".join(f"{q:.4g}" for q in np.quantile(values, quartiles))
        ratio = " / ".join(f"{q:.3f}" for q in np.quantile(values / best, quartiles))
        above = np.mean(values - best > 3 * np.hypot(errors, error[-1]))
        print(
            f"| {count} | {spread} | {np.median(errors):.2g} | {ratio} | {above:.0%} |"
        )


if __name__ == "__main__":
    main()
