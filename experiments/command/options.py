"""The options that every command shares, and how commands read theirs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from experiments.command.errors import UserError
from experiments.command.invocation import called
from experiments.command.parser import Options, Source, read_options
from experiments.command.settings_file import from_file


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a run reads its data and writes its results."""

    out: Path
    """Directory for the results; must not hold anything yet, or a run that goes on."""
    seed: int = 0
    """Seed of all random numbers; the same seed gives the same results."""
    dataset: str = "mnist5k"
    """mnist5k (embedded digits 0, 1, 2), mnist (the paper's), or a .npz / .npy file
    with x (N, D) of zeros and ones and optional labels."""
    data_dir: Path | None = None
    """Directory with the MNIST IDX files, for --dataset mnist. [the cache]"""
    config: Path | None = None
    """TOML file with settings, such as the settings.toml that every run writes; options
    on the command line come first."""
    no_cache: Annotated[bool, Parameter(negative="--cache")] = False
    """Compile everything anew, and keep nothing of it for the next command."""


def parse(
    options: type[Options],
    command: str,
    arguments: Sequence[str] | None = None,
    *sources: Source,
) -> Options:
    """Read the options of `command` from the command line (or from `arguments`).

    What that does not say is looked up in the file of `--config`, then in `sources`.

    **Raises:** `UserError` as `read_options`, and for a `--config` that is of no use.
    """
    return read_options(options, called(command), arguments, (from_file, *sources))


def check_positive(**values: float) -> None:
    """Check that options are positive and finite; names are those of the fields.

    **Raises:** `UserError` for the first that is not.
    """
    for name, value in values.items():
        if not 0 < value < math.inf:
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} {value}: expected a positive number")


def check_count(**values: int) -> None:
    """Check that numbers of things fit into 31 bits; names are those of the fields.

    **Raises:** `UserError` for the first that does not.
    """
    for name, value in values.items():
        if value >= 2**31:
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} {value}: expected less than 2^31")


def check_seed(seed: int) -> None:
    """Check the seed of a run.

    **Raises:** `UserError` for a negative one, or one of more than 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed {seed}: expected 0 or more, below 2^32")
