"""Compile for GPUs and TPUs without one: `python -m benchmarks.accelerators`."""

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax

from benchmarks.accelerators.compilers import PLATFORM, Failure, compiled, environment
from benchmarks.accelerators.launches import step_count
from benchmarks.accelerators.programs import PLATFORMS, Sizes, export_training
from experiments.command.errors import reports_user_errors
from experiments.command.parser import read_options
from nelc_jax import Cycles, OneHot, TrajectoryGradient
from nelc_jax._minibatch import DEVICE_CHUNK

PARALLEL = {"auto": None, "parallel": True, "scan": False}


def default_cache() -> Path:
    """Where the compilers' environments are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nelc_jax/compilers"


@dataclass(frozen=True, kw_only=True)
class Accelerators:
    """Export the paper's training for GPUs and TPUs, and compile it for some of them.

    Nothing runs. The compilers come from packages, in environments that are made at
    first use.
    """

    targets: tuple[Literal["h100", "v5e", "v6e"], ...] = ("h100", "v5e", "v6e")
    """What to compile for."""
    members: tuple[int, ...] = (36, 360, 4096)
    """Members of the ensembles."""
    samplers: tuple[Literal["auto", "parallel", "scan"], ...] = ("parallel", "scan")
    """How the chain is drawn."""
    batch: int = 88
    """Points of the mini-batch of the step whose operations are counted."""
    compile: bool = True
    """--no-compile exports, and needs no compiler."""
    cache: Path | None = None
    """Folder of the compilers' environments (default: in the user's cache)."""
    json: Path | None = None
    """File for the figures."""


@reports_user_errors
def main() -> None:
    """Run the command."""
    options = read_options(Accelerators, "python -m benchmarks.accelerators")
    if min(*options.members, options.batch) < 1:
        print("--members, --batch: expected at least 1", file=sys.stderr)
        sys.exit(2)
    entries = [_exported(platform) for platform in PLATFORMS]
    if options.compile:
        try:
            entries += _compiled(options)
        except Failure as failure:
            print(failure, file=sys.stderr)
            sys.exit(2)
    if options.json is not None:
        found = {"jax": jax.__version__, "measurements": entries}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def _exported(platform: str) -> dict:
    start = time.perf_counter()
    program = export_training(_rule("auto"), Sizes(36), platform)
    seconds = time.perf_counter() - start
    size = len(program.mlir_module_serialized)
    print(f"exported for {platform}: {seconds:.1f} s, {size / 1024:.0f} KiB")
    return {"platform": platform, "export_seconds": seconds, "bytes": size}


def _compiled(options: Accelerators) -> list[dict]:
    cache = (options.cache or default_cache()).absolute()
    platforms = {PLATFORM[target] for target in options.targets}
    pythons = {platform: environment(platform, cache) for platform in platforms}
    print(
        f"\n{'target':8s}{'members':>8s} {'chain':9s}{'states':>10s}{'temporary':>11s}"
        f"{'operations':>12s}{'waits':>7s}{'compile':>9s}"
    )
    entries = []
    for target in options.targets:
        for members in options.members:
            for sampler in options.samplers:
                print(f"{target:8s}{members:8d} {sampler:9s}", end="", flush=True)
                python = pythons[PLATFORM[target]]
                entry = {"target": target, "members": members, "chain": sampler}
                entry |= _entry(python, target, Sizes(members), sampler, options.batch)
                entries.append(entry)
                print(_row(entry), flush=True)
    return entries


def _entry(python: Path, target: str, sizes: Sizes, sampler: str, batch: int) -> dict:
    with tempfile.TemporaryDirectory() as name:
        program, text = Path(name, "program"), Path(name, "compiled.txt")
        exported = export_training(_rule(sampler), sizes, PLATFORM[target])
        program.write_bytes(exported.serialize())
        try:
            found = compiled(python, target, program, text)
        except Failure as failure:
            # As where the memory of the device is too small: a figure as well.
            return {"failure": str(failure)}
        # The first chunk of a mini-batch is not in the loop.
        rest = -(-batch // DEVICE_CHUNK) - 1
        count = step_count(text.read_text(), sizes.steps, rest)
    return found | {"operations": count.launches, "waits": count.waits}


def _row(entry: dict) -> str:
    if "failure" in entry:
        return f" {entry['failure']}"
    mib = {name: entry[f"{name}_bytes"] / 2**20 for name in ("argument", "temporary")}
    return (
        f"{mib['argument']:6.0f} MiB{mib['temporary']:7.0f} MiB"
        f"{entry['operations']:12d}{entry['waits']:7d}"
        f"{entry['compile_seconds']:7.1f} s"
    )


def _rule(sampler: str) -> Cycles:
    """The paper's."""
    return Cycles(OneHot(6), TrajectoryGradient(48, parallel=PARALLEL[sampler]))


if __name__ == "__main__":
    main()
