"""Time ensemble training: `python -m benchmarks.ensemble --workload paper`."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import nelc_jax
from benchmarks.phases import phase_seconds
from benchmarks.timing import device_limits, peak_memory_mib
from benchmarks.workloads import STEPS_PER_EPOCH, Job, data_for, workload
from experiments.command.devices import usable_cores, use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.command.parser import read_options
from nelc_jax import Cycles, TrajectoryGradient, ensemble


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time the training of ensembles, without the measurements between epochs.

    Prints one table and, with --json, writes one entry a measurement.
    """

    workload: Literal["paper", "members", "chain", "onehot", "binary", "visible"] = (
        "paper"
    )
    """paper: 36 models, 3600 steps; the others vary one size around it."""
    repeats: int = 3
    """Timed repetitions after the warm-up; the median is reported."""
    sampler: Literal["auto", "scan", "parallel"] = "auto"
    """How the chain is drawn."""
    peers: bool = False
    """Also time what one would write in NumPy or PyTorch instead (paper only)."""
    native: bool = True
    """Train natively where that is possible; --no-native for XLA."""
    xla: bool = False
    """Also time every job in XLA, in a process of its own."""
    json: Path | None = None
    """File for the measurements."""


def rule_of(job: Job, parallel: bool | None) -> Cycles:
    """The rule that a job trains by."""
    return Cycles(job.latent, TrajectoryGradient(job.chain_length, parallel=parallel))


def time_job(job: Job, parallel: bool | None, x: np.ndarray, repeats: int) -> dict:
    """Compile and train one ensemble `repeats` + 1 times from its start."""
    rule = rule_of(job, parallel)
    mesh = ensemble.member_mesh(job.models)
    # A whole number of members a device, so that the states stay where they are.
    models = -(-job.models // mesh.size) * mesh.size
    points = jax.device_put(jnp.asarray(x), NamedSharding(mesh, PartitionSpec()))
    states = jax.jit(ensemble.init)(rule, jax.random.key(0), jnp.arange(models), points)
    sharding = NamedSharding(mesh, PartitionSpec(ensemble.AXIS))
    states = jax.device_put(states, sharding)
    # One call an epoch, as the experiment does it.
    epochs = jnp.asarray(job.batch_sizes).reshape(-1, STEPS_PER_EPOCH)

    start = time.perf_counter()
    mapped = partial(ensemble.train, rule, mesh=mesh)
    train = jax.jit(mapped, donate_argnums=0).lower(states, points, epochs[0]).compile()
    compile_seconds = time.perf_counter() - start

    def run():
        # Training donates its states, so that every repeat starts from a copy.
        end = jax.tree.map(jnp.copy, states)
        for sizes in epochs:
            end, info = train(end, points, sizes)
        return end, info

    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        _, info = jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    seconds = float(np.median(times[1:]))
    return {
        "name": job.name,
        "models": job.models,
        "steps": job.steps,
        "seconds": seconds,
        "seconds_all": times[1:],
        "compile_seconds": compile_seconds,
        "peak_memory_mib": peak_memory_mib(),
        "model_steps_per_second": job.models * job.steps / seconds,
        "draws_per_second": job.draws / seconds,
        "microseconds_per_model_step": 1e6 * seconds / job.models / job.steps,
        "batch_log_likelihood": float(info.log_likelihood[: job.models].mean()),
    }


@reports_user_errors
def main() -> None:
    """Run the command."""
    options = read_options(Benchmark, "python -m benchmarks.ensemble")
    if options.peers and importlib.util.find_spec("torch") is None:
        print("--peers needs PyTorch: pip install -e '.[bench]'", file=sys.stderr)
        sys.exit(2)
    if not options.native:
        os.environ["NELC_JAX_NATIVE"] = "0"
    use_all_cores()
    parallel = {"auto": None, "scan": False, "parallel": True}[options.sampler]
    limits = device_limits()
    machine = {
        "device": jax.devices()[0].device_kind,
        "devices": jax.local_device_count(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "path": nelc_jax.native_path(),
        "limits": limits,
    }
    print(
        f"{machine['devices']} x {machine['device']}, {machine['cores']} cores, "
        f"JAX {machine['jax']}, {machine['path']}\n"
        f"limits: copy {limits['copy_bytes_per_second'] / 1e9:.1f} GB/s, "
        f"float32 product {limits['flops_per_second'] / 1e9:.0f} GFLOP/s, "
        f"generator {limits['random_bits_per_second'] / 16e6:.0f} M draws/s\n"
    )
    print(
        f"{'job':16s}{'seconds':>10s}{'compile':>9s}{'memory':>10s}"
        f"{'us/model/step':>15s}{'M draws/s':>11s}{'of limit':>10s}"
    )
    entries = []
    for job in workload(options.workload):
        entry = time_job(job, parallel, data_for(job), options.repeats)
        # The generator alone is the nearest of the limits.
        entry["share_of_generator_limit"] = (
            16 * entry["draws_per_second"] / limits["random_bits_per_second"]
        )
        entries.append(entry)
        print(
            f"{job.name:16s}{entry['seconds']:10.3f}{entry['compile_seconds']:9.1f}"
            f"{entry['peak_memory_mib']:6.0f} MiB"
            f"{entry['microseconds_per_model_step']:15.1f}"
            f"{entry['draws_per_second'] / 1e6:11.0f}"
            f"{entry['share_of_generator_limit']:10.0%}",
            flush=True,
        )
    if options.workload == "paper":
        entries += _phases(parallel, options.repeats)
        if options.peers:
            # Here, and not above: it imports PyTorch.
            from benchmarks.compare_peers import time_peers

            entries += time_peers(entries[0], rule_of(workload("paper")[0], parallel))
    if options.xla:
        entries += _by_xla(options)
    if options.json is not None:
        options.json.write_text(
            json.dumps({"machine": machine, "measurements": entries}, indent=2) + "\n"
        )


def _by_xla(options: Benchmark) -> list[dict]:
    """The same jobs without the native path, which a process decides on once."""
    with tempfile.TemporaryDirectory() as place:
        found = Path(place) / "found.json"
        command = [sys.executable, "-m", "benchmarks.ensemble", "--no-native"]
        command += ["--workload", options.workload, "--sampler", options.sampler]
        command += ["--repeats", str(options.repeats), "--json", str(found)]
        print("\nIn XLA:", flush=True)
        subprocess.run(command, check=True)
        entries = json.loads(found.read_text())["measurements"]
    return [entry | {"name": f"{entry['name']}, XLA"} for entry in entries]


def _phases(parallel: bool | None, repeats: int) -> list[dict]:
    job = workload("members")[3]
    rule = rule_of(job, parallel)
    points = jnp.asarray(data_for(job))
    states = ensemble.init(rule, jax.random.key(0), jnp.arange(job.models), points)
    batch = int(job.batch_sizes[0])
    phases = phase_seconds(rule, states, points, batch, repeats)
    print(f"\n{job.models} models, batch {batch}, ms a gradient step:")
    for name, seconds in phases.items():
        print(f"  {name:24s}{1e3 * seconds:8.3f}")
    return [
        {"name": f"phase: {name}", "seconds": seconds}
        for name, seconds in phases.items()
    ]


if __name__ == "__main__":
    main()
