"""Equilibrium beside the paper's model: `python -m experiments.compare --out DIR`."""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments import run_directory
from experiments.devices import use_all_cores
from experiments.errors import reports_user_errors
from experiments.options import RunOptions, check_positive, parse
from experiments.verdict import page
from experiments.verdict.__main__ import ceiling, check_points, load_parts, prepare
from experiments.verdict.parts import Part, machines, train_parts


@dataclass(frozen=True)
class Compare:
    """Train the paper's model, two RBMs and a mixture by EM on the same data.

    One ensemble each, with the same mini-batches, chain length and number of steps.
    Writes a directory an ensemble below --out, and compare.md with their likelihoods on
    the data and on held-out points. Give the same --out again to go on after an
    interruption.
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
    runs = train_parts([base, *machines(base, seeds)], train, held_out, out)
    table = page.likelihood_table(runs, ceiling(train, options.units))
    run_directory.write_text(out / "compare.md", table + "\n")
    print(f"{table}\nsee {out / 'compare.md'}")
    return out


if __name__ == "__main__":
    use_all_cores()
    reports_user_errors(main)()
