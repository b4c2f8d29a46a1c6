"""What the cut of the gradient does: `python -m experiments.horizon --out DIR`."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from experiments.command.devices import use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.options import RunOptions, parse
from experiments.horizon import page
from experiments.horizon.parts import (
    HORIZONS,
    controls,
    horizon_name,
    horizons,
    literal,
)
from experiments.horizon.variance import relative_errors
from experiments.runs import directory as run_directory
from experiments.verdict.__main__ import (
    QUICK,
    ceiling,
    check_points,
    load_parts,
    prepare,
)
from experiments.verdict.parts import Part, train_parts, trainer_of

BATCH = 256
"""Data points of the mini-batch at which estimates of the gradient are compared."""


@dataclass(frozen=True)
class Horizon:
    """Train 36 models for each number K of double steps that the gradient goes back.

    K = 1, 2, 4, 16 and all, with both normalisations; the paper's literal rule along
    the chain and averaged; and controls. Writes a directory an ensemble below --out,
    and horizon.md with its figures. Give the same --out again to go on after an
    interruption.
    """

    run: RunOptions
    quick: bool = False
    """A small version of everything: to try it, not to judge by it."""
    measure_again: bool = False
    """Measure ensembles anew that are finished in --out, without training them again;
    their history.csv stays."""


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Horizon, "horizon", arguments)
    train, held_out = load_parts(options.run)
    base = Part("base", options.run.seed)
    if options.quick:
        base = replace(base, **QUICK)
    check_points(train, base)
    out = options.run.out
    prepare(out, "horizon")
    families = {
        "horizons": horizons(base),
        "literal": literal(base),
        "controls": controls(base, len(train.x)),
    }
    parts = [part for family in families.values() for part in family]
    trained = train_parts(parts, train, held_out, out, options.measure_again)
    runs = {name: found[0] for name, found in trained.items()}
    best = ceiling(train, base.units)
    panels = {
        f"{norm}, exact score": {
            horizon_name(K): runs[f"{norm}-{horizon_name(K)}"] for K in HORIZONS
        }
        for norm in ("sigmoid", "softmax")
    }
    figures = out / run_directory.FIGURES
    figures.mkdir(exist_ok=True)
    for name, figure in (
        ("likelihood", page.likelihood_figure(panels, best)),
        ("sigma", page.sigma_figure(panels, best)),
    ):
        figure.savefig(figures / f"{name}.png", dpi=200)
        figure.savefig(figures / f"{name}.pdf")

    softmax = f"softmax-{horizon_name(None)}"
    part = next(part for part in parts if part.group == softmax)
    index = int(runs[softmax].models["log_likelihood"].argmax())
    errors = relative_errors(
        runs[softmax], trainer_of(part).latent, index, train.x[:BATCH]
    )
    seconds = sum(run.config["seconds"]["training"] for run in runs.values())
    sections = [
        "# Horizons: tables",
        f"Data: {train.name}, {len(train.x)} points to train on. {len(parts)} "
        f"ensembles of {base.models}, {seconds / 60:.0f} minutes of training. Ceiling: "
        f"{best:.2f} nats; the mark is {page.REACHED} below it, near is within "
        f"{page.NEAR}. Settings that all share: `{asdict(base)}`.",
        page.horizon_table(runs, best),
        "## Cycles",
        page.cycles_table(runs),
        "## Errors of single estimates",
        page.errors_table(errors),
    ]
    run_directory.write_text(out / "horizon.md", "\n\n".join(sections) + "\n")
    print(f"tables written to {out / 'horizon.md'}")
    return out


if __name__ == "__main__":
    use_all_cores()
    reports_user_errors(main)()
