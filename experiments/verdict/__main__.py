"""Judge the paper's findings: `python -m experiments.verdict --out runs/verdict`."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.devices import use_all_cores
from experiments.command.errors import UserError, reports_user_errors
from experiments.command.options import RunOptions, check_positive, check_seed, parse
from experiments.data.datasets import Dataset, held_out_part, load_dataset, load_test
from experiments.runs import directory as run_directory
from experiments.training.measure import history_batches
from experiments.training.trainers import EM_STEPS, RESTARTS
from experiments.verdict import page
from experiments.verdict.claims import judge_all, members_of
from experiments.verdict.parts import (
    Part,
    machines,
    readings,
    sensitivities,
    train_parts,
    trainer_of,
)
from experiments.verdict.sampling import measure_sampling, train_classifier
from nelc_jax.baselines import mixture

QUICK = {
    "models": 8,
    "epochs": 12,
    "steps_per_epoch": 10,
    "chain_length": 24,
    "batch_last": 32,
}


@dataclass(frozen=True)
class Verdict:
    """Judge the findings of arXiv 2512.11415 on several ensembles of every reading.

    Writes one directory an ensemble below --out, and verdict.md with its figures. A
    run that was interrupted goes on where it was: give the same --out again.
    """

    run: RunOptions
    ensembles: int = 5
    """Ensembles with different seeds, for each reading and each RBM."""
    quick: bool = False
    """A small version of everything, in two minutes: to try it, not to judge by it."""
    measure_again: bool = False
    """Measure ensembles anew that are finished in --out, without training them again;
    their history.csv stays."""
    sensitivity: bool = True
    """Also train with other optimiser settings, T and L, one ensemble each."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Verdict, "verdict", arguments)
    check_positive(ensembles=options.ensembles)
    train, held_out = load_parts(options.run)
    out = options.run.out
    base = Part("base", options.run.seed)
    count = options.ensembles
    if options.quick:
        base, count = replace(base, **QUICK), 1
    check_points(train, base)
    prepare(out, "verdict")
    seeds = range(options.run.seed, options.run.seed + count)
    main_parts, rbm_parts = readings(base, seeds), machines(base, seeds)
    parts = main_parts + rbm_parts
    other_parts = []
    if options.sensitivity and not options.quick:
        other_parts = sensitivities(base)
    parts += other_parts
    runs = train_parts(parts, train, held_out, out, options.measure_again)

    groups = {name: [p for p in parts if p.group == name] for name in runs}
    reading_names = list(dict.fromkeys(part.group for part in main_parts))
    judgements = {
        name: judge_all([members_of(run) for run in runs[name]])
        for name in reading_names
    }
    rbm_names = list(dict.fromkeys(part.group for part in rbm_parts))
    sampling, accuracy = {}, float("nan")
    if train.labels is not None:
        classifier, accuracy = train_classifier(train, held_out)
        for name in (reading_names[0], *rbm_names):
            latent = trainer_of(groups[name][0]).latent
            columns = [
                measure_sampling(run, latent, classifier, train) for run in runs[name]
            ]
            sampling[name] = {
                k: np.concatenate([c[k] for c in columns]) for k in columns[0]
            }
    figures = out / run_directory.FIGURES
    figures.mkdir(exist_ok=True)
    for name, figure in (
        ("clusters", page.clusters_figure({k: runs[k] for k in reading_names})),
        ("claims", page.claims_figure(judgements)),
    ):
        figure.savefig(figures / f"{name}.png", dpi=200)
        figure.savefig(figures / f"{name}.pdf")
    every = [run for found in runs.values() for run in found]
    all_units = {base.units, *(part.units for part in parts)}
    ceilings = {units: ceiling(train, units) for units in sorted(all_units)}
    main_runs = {name: runs[name] for name in (*reading_names, *rbm_names)}
    compared = [reading_names[0], *(part.group for part in other_parts)]
    seconds = sum(run.config["seconds"]["training"] for run in every)
    text = "\n\n".join(
        [
            "# Verdict: tables",
            f"Data: {train.name}, {len(train.x)} points to train on, "
            f"{len(held_out.x)} held out. {len(parts)} ensembles of {base.models}, "
            f"{seconds / 60:.0f} minutes of training. Settings that all share: "
            f"`{asdict(base)}`.",
            "## Claims",
            page.claims_list(),
            page.claims_table(judgements),
            "## Likelihoods",
            page.likelihood_table(main_runs, ceilings[base.units]),
            "## Estimators of sigma",
            page.estimators_table(main_runs),
            page.equilibrium_table(
                {name: runs[name] for name in rbm_names},
                {
                    name: history_batches(trainer_of(groups[name][0]).latent)
                    for name in rbm_names
                },
            ),
        ]
        + (
            [
                "## Sensitivity",
                page.sensitivity_table({n: runs[n] for n in compared}, ceilings),
            ]
            if other_parts
            else []
        )
        + (
            [
                "## Does a cycle help?",
                f"Classifier: {accuracy:.1%} right on held-out data.",
                page.sampling_table(runs, sampling),
            ]
            if sampling
            else []
        )
    )
    run_directory.write_text(out / "verdict.md", text + "\n")
    print(f"verdict written to {out / 'verdict.md'}")
    return out


def load_parts(options: RunOptions) -> tuple[Dataset, Dataset]:
    """The data to train on and those held out: test digits, or a fifth of the data.

    **Raises:** `UserError` as `load_dataset`, and for a seed out of range.
    """
    check_seed(options.seed)
    dataset = load_dataset(options.dataset, options.data_dir)
    test = load_test(options.dataset, options.data_dir)
    return (dataset, test) if test is not None else held_out_part(dataset)


def check_points(train: Dataset, part: Part) -> None:
    """Check that the data suffice for the largest mini-batch.

    **Raises:** `UserError` where they do not.
    """
    if len(train.x) < part.batch_last:
        raise UserError(
            f"--dataset {train.name} leaves {len(train.x)} points to train on, fewer "
            f"than the largest mini-batch, {part.batch_last}"
        )


def prepare(out: Path, command: str) -> None:
    """Make the directory of a command, or take up an older one of the same command.

    **Raises:** `UserError` where `out` holds anything else or cannot be written.
    """
    marker = out / run_directory.CONFIG
    text = json.dumps({"command": command}) + "\n"
    own = marker.is_file() and marker.read_text() == text
    if out.exists() and not own and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} holds something else: choose another directory")
    try:
        out.mkdir(parents=True, exist_ok=True)
        run_directory.write_text(marker, text)
    except OSError as error:
        raise UserError(
            f"--out {out} cannot be written ({error.strerror}): choose another one"
        ) from error


def ceiling(train: Dataset, units: int) -> float:
    """The best log-likelihood of a mixture of as many components, by EM."""
    x = jnp.asarray(train.x)
    found = jax.jit(
        lambda key: mixture.fit_restarts(key, units, x, RESTARTS, EM_STEPS)[1]
    )(jax.random.key(0))
    return float(found.max())


if __name__ == "__main__":
    use_all_cores()
    reports_user_errors(main)()
