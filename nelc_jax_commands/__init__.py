"""The console script `nelc-jax`: `nelc-jax train` is `experiments.train_ensemble`.

The commands are those of the folder `experiments`. In a clone it stands beside this
package; a wheel carries it inside, so that nobody's imports find a package of such a
name. Only a process of this script has it in its path. This module imports nothing that
is slow: `--help` need not wait for JAX.
"""

import sys
from difflib import get_close_matches
from importlib import import_module, metadata
from pathlib import Path
from typing import NoReturn

NAME = "nelc-jax"

COMMANDS = {
    "train": (
        "train_ensemble",
        "the paper: an ensemble, its tables, figures, report",
    ),
    "sample": ("sample", "what a model of a finished run generates"),
    "show": ("show", "figures and report of a finished run again"),
    "compare-runs": ("compare_runs", "finished runs side by side"),
    "compare": ("compare", "the same beside RBMs and a mixture by EM"),
    "verdict": ("verdict.command", "the paper's findings judged on many ensembles"),
    "horizon": ("horizon.command", "gradients that go back 1 to all double steps"),
    "loops": ("loops.command", "loops of more layers, as many parameters"),
    "advantage": ("advantage.command", "binary latent cycles beside RBMs"),
    "oscillators": ("oscillators.command", "the second paper: driven oscillators"),
}
"""The module of each below `experiments`, and what it does."""

_OURS = ("experiments", "nelc_jax")


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the first argument names, with the others."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in ("-h", "--help"):
        print(_help())
    elif name == "--version":
        print(f"{NAME} {metadata.version('nelc_jax')}")
    elif name in COMMANDS:
        _run(name, rest)
    elif name:
        near = get_close_matches(name, [*COMMANDS, "--help", "--version"], 1)
        way_out = f"did you mean {near[0]}?" if near else f"{NAME} --help has them all"
        _leave(f"{name} is no command: {way_out}")
    else:
        _leave(f"which command? {NAME} --help has them all")


def _run(name: str, arguments: list[str]) -> None:
    sys.path.insert(0, str(_place()))
    from experiments.command.signals import leave_at_interrupt

    leave_at_interrupt()
    try:
        module = import_module(f"experiments.{COMMANDS[name][0]}")
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in _OURS:
            raise
        _leave(
            f"{NAME} {name} needs the package {package}: pip install "
            "'nelc_jax[experiments]'"
        )
    module.command(arguments)


def _place() -> Path:
    """The directory with the folder `experiments`."""
    here = Path(__file__).parent
    return here if (here / "experiments").is_dir() else here.parent


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {does}" for name, (_, does) in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {NAME} [--help] [--version] COMMAND ...",
            "",
            "Nonequilibrium latent cycles: train, measure, compare.",
            "",
            *lines,
            "",
            f"{NAME} COMMAND --help has the options of each.",
        ]
    )


def _leave(line: str) -> NoReturn:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)
