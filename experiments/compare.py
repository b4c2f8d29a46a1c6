"""Equilibrium beside the paper's model: `python -m experiments.compare --out DIR`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.devices import check_devices, use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.options import RunOptions, check_positive, check_seed, parse
from experiments.command.parser import MODEL, TRAINING
from experiments.command.programs import keep_programs
from experiments.command.settings_file import settings_text
from experiments.data.datasets import load_split
from experiments.report.document import Document
from experiments.report.tables import markdown_table
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run
from experiments.runs.diverged import sound_ensembles
from experiments.runs.finished import model_of
from experiments.runs.lock import claimed
from experiments.training.ceiling import ceiling
from experiments.training.equilibrium import rbms
from experiments.training.settings import Settings
from experiments.training.sizes import check_sizes
from experiments.training.study import Study, Variant
from experiments.verdict import page
from nelc_jax.baselines import ais, rbm

PAGE = "compare.md"

TEMPERATURES, CHAINS = 4000, 100
"""Intermediate laws and chains of annealed importance sampling."""

HEAD = """\
Log-likelihoods L in nats a data point, sigma in nats per double step, tau in double
steps, medians over models. EM finds the best mixture of as many components as latent
units: no model with one-hot states has a higher L on the data it was trained on. An RBM
with Bernoulli units has more latent states, and may."""

ABOUT_PARTITION = """\
## Partition functions

The exact ln Z is a sum over all states of the hidden layer. Annealed importance
sampling knows only the modes that its chains have found: where it is below the exact
value by more than its error, they have missed some, of which neither the error nor the
number of effective chains knows."""


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Train the paper's model, two RBMs and a mixture by EM on the same data.

    One ensemble each, with the same mini-batches, chain length and number of steps.
    Writes a directory an ensemble below --out, and report.html and compare.md with
    their likelihoods on the data and on held-out points, and the RBMs' partition
    functions. Give the same --out again to go on after an interruption.
    """

    run: RunOptions
    models: Annotated[int, MODEL] = 36
    """Models in each ensemble."""
    units: Annotated[int, MODEL] = 6
    """Latent units L, in bits."""
    epochs: Annotated[int, TRAINING] = 120
    """Epochs of 30 gradient steps."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Compare, "compare", arguments)
    check_positive(models=options.models, units=options.units, epochs=options.epochs)
    out, seed = options.run.out, options.run.seed
    check_seed(seed)
    keep_programs(not options.run.no_cache)
    check_devices()
    train, held_out = load_split(options.run.dataset, options.run.data_dir)
    settings = Settings(
        models=options.models,
        units=options.units,
        epochs=options.epochs,
        batch_last=min(Settings.batch_last, len(train.x)),
    )
    check_sizes(settings, train)
    equilibrium = rbms(settings, [seed])
    study = Study(train, held_out, out)
    config = study.describe("compare", options)
    results = [PAGE, run_directory.REPORT]
    with claimed(out, config, results, settings_text(options, "compare")):
        trained = study.run([Variant("cycles", seed, settings), *equilibrium])
        runs, left_out = sound_ensembles(trained)
        limit = ceiling(train, options.units)
        rbm_runs = {v.group: runs[v.group][0] for v in equilibrium}
        document = Document(
            name=PAGE,
            kicker="compare",
            heading="Beside equilibrium",
            answer=_answer(runs["cycles"][0], rbm_runs, limit),
            sections=[
                HEAD,
                page.likelihood_table(runs, limit),
                *left_out,
                ABOUT_PARTITION,
                partition_table(rbm_runs),
            ],
        )
        document.write(out)
    print(f"{document.text}\nsee {out / run_directory.REPORT}")
    return out


def _answer(cycles: Run, rbm_runs: dict[str, Run], limit: float) -> str:
    best = cycles.models["log_likelihood"].max()
    others = " and ".join(
        f"{run.models['log_likelihood'].max():.2f} ({name})"
        for name, run in rbm_runs.items()
    )
    return (
        f"The best latent cycle has L = {best:.2f} nats a point, {limit - best:.2f} "
        f"below the best mixture that EM has found; the best RBMs have {others}."
    )


def partition_table(runs: dict[str, Run]) -> str:
    """ln Z of the best RBM of each ensemble: exact, and by annealed sampling."""
    rows = {}
    for name, run in runs.items():
        model = model_of(run, int(np.argmax(run.models["log_likelihood"])))
        of_joint = rbm.Parameters(
            model.parameters.w, model.parameters.a, model.parameters.a_bar
        )
        best = rbm.Rbm(of_joint, model.x_mean, model.latent)
        exact, estimate = _partition(best, jax.random.key(0))
        rows[name] = {
            "ln Z, exact": f"{exact:.2f}",
            "ln Z, annealed": f"{estimate.log_partition:.2f} ± "
            f"{estimate.standard_error:.2f}",
            "effective chains": f"{estimate.effective_chains:.0f} of {CHAINS}",
        }
    return markdown_table(rows, "Best RBM of")


@jax.jit
def _partition(model: rbm.Rbm, key):
    betas = jnp.linspace(0, 1, TEMPERATURES)
    return rbm.log_partition(model), ais.log_partition(model, key, betas, CHAINS)


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: on all cores, errors in one line."""
    use_all_cores()
    main(arguments)


if __name__ == "__main__":
    command()
