"""Equilibrium beside the paper's model: `python -m experiments.compare --out DIR`."""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.devices import use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.options import RunOptions, check_positive, parse
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run
from experiments.verdict import page
from experiments.verdict.__main__ import ceiling, check_points, load_parts, prepare
from experiments.verdict.parts import Part, machines, train_parts, trainer_of
from nelc_jax.baselines import ais, rbm
from nelc_jax.latent import Latent

TEMPERATURES, CHAINS = 4000, 100
"""Intermediate laws and chains of annealed importance sampling."""


@dataclass(frozen=True)
class Compare:
    """Train the paper's model, two RBMs and a mixture by EM on the same data.

    One ensemble each, with the same mini-batches, chain length and number of steps.
    Writes a directory an ensemble below --out, and compare.md with their likelihoods on
    the data and on held-out points, and the RBMs' partition functions. Give the same
    --out again to go on after an interruption.
    """

    run: RunOptions
    models: int = 36
    """Models in each ensemble."""
    units: int = 6
    """Latent units, L."""
    epochs: int = 120
    """Epochs of 30 gradient steps."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Compare, "compare", arguments)
    check_positive(models=options.models, units=options.units, epochs=options.epochs)
    train, held_out = load_parts(options.run)
    base = Part(
        "cycles",
        options.run.seed,
        units=options.units,
        models=options.models,
        epochs=options.epochs,
    )
    base = replace(base, batch_last=min(base.batch_last, len(train.x)))
    check_points(train, base)
    out = options.run.out
    prepare(out, "compare")
    seeds = range(options.run.seed, options.run.seed + 1)
    rbms = machines(base, seeds)
    runs = train_parts([base, *rbms], train, held_out, out)
    table = page.likelihood_table(runs, ceiling(train, options.units))
    latents = {part.group: trainer_of(part).latent for part in rbms}
    partition = partition_table({name: runs[name][0] for name in latents}, latents)
    run_directory.write_text(out / "compare.md", f"{table}\n\n{partition}\n")
    print(f"{table}\n\n{partition}\nsee {out / 'compare.md'}")
    return out


def partition_table(runs: dict[str, Run], latents: dict[str, Latent]) -> str:
    """ln Z of the best RBM of each ensemble: exact, and by annealed sampling."""
    lines = [
        "| Best RBM of | ln Z, exact | ln Z, annealed | effective chains |",
        "| --- | --- | --- | --- |",
    ]
    for name, run in runs.items():
        best = int(np.argmax(run.models["log_likelihood"]))
        arrays = {key: jnp.asarray(array[best]) for key, array in run.arrays.items()}
        machine = rbm.Rbm(
            rbm.Parameters(arrays["w"], arrays["a"], arrays["a_bar"]),
            arrays["x_mean"],
            latents[name],
        )
        exact, estimate = _partition(machine, jax.random.key(0))
        lines.append(
            f"| {name} | {exact:.2f} | {estimate.log_partition:.2f} ± "
            f"{estimate.standard_error:.2f} | {estimate.effective_chains:.0f} of "
            f"{CHAINS} |"
        )
    return "\n".join(lines)


@jax.jit
def _partition(machine: rbm.Rbm, key):
    betas = jnp.linspace(0, 1, TEMPERATURES)
    exact = rbm.log_partition(machine)
    return exact, ais.log_partition(machine, key, betas, CHAINS)


if __name__ == "__main__":
    use_all_cores()
    reports_user_errors(main)()
