"""Kill a training again and again: `python -m benchmarks.survival`."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.command.errors import reports_user_errors
from experiments.command.parser import read_options
from experiments.runs import directory as run_directory

RESULTS = (run_directory.HISTORY, run_directory.MODELS, run_directory.CHECKPOINT)


@dataclass(frozen=True, kw_only=True)
class Survival:
    """Count the kills (SIGKILL) after which a run went on to the same bits.

    Half of them come at a random moment, half while a file is being written. A run is
    killed a few times in turn before it may finish; it then counts for all its kills.
    """

    kills: int = 50
    """Kills in all."""
    a_run: int = 5
    """Kills a run."""
    seed: int = 0
    """Seed of the moments."""
    epochs: int = 60
    """Epochs of each run; a state is saved after every one."""


def command(data: Path, out: Path, epochs: int) -> list[str]:
    """The command line of a small run, begun or gone on with."""
    program = [sys.executable, "-m", "experiments.train_ensemble", "--out", str(out)]
    if (out / run_directory.CONFIG).exists():
        return [*program, "--resume"]
    options = (
        f"--dataset {data} --models 8 --units 4 --epochs {epochs} --save-every 1 "
        "--steps-per-epoch 4 --chain-length 8 --batch-first 4 --batch-last 16 "
        "--members-at-once 4"
    )
    return [*program, *options.split()]


def start(data: Path, out: Path, epochs: int, log: Path) -> subprocess.Popen:
    """A process of the run; what it prints goes to `log`."""
    with log.open("a") as file:
        return subprocess.Popen(
            command(data, out, epochs), stdout=file, stderr=subprocess.STDOUT
        )


def kill_at_random(process: subprocess.Popen, seconds: float) -> None:
    """Kill a process after so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def kill_in_write(process: subprocess.Popen, out: Path, writes: int) -> None:
    """Kill a process inside one of its next writes."""
    seen = set()
    while process.poll() is None:
        parts = set(out.rglob(".*.part"))
        if len(seen | parts) > writes and parts:
            process.kill()
            process.wait()
            return
        seen |= parts
        time.sleep(0.0002)


def survived(out: Path, whole: Path) -> bool:
    """Whether two runs have the same bytes in all their tables and arrays."""
    return all(
        (out / name).read_bytes() == (whole / name).read_bytes() for name in RESULTS
    )


@reports_user_errors
def main() -> None:
    """Run the command."""
    options = read_options(Survival, "python -m benchmarks.survival")
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        # The same programs in every process: compiled once.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(directory / "cache")
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        data, log = directory / "points.npz", directory / "log.txt"
        np.savez(data, x=rng.random((60, 100)) < 0.4, labels=np.arange(60) % 2)
        whole = directory / "whole"
        for out in (directory / "first", whole):
            started = time.perf_counter()
            start(data, out, options.epochs, log).wait()
            seconds = time.perf_counter() - started
        if not (whole / run_directory.REPORT).exists():
            sys.exit(f"the run without kills failed:\n{log.read_text()}")
        print(f"a run takes {seconds:.0f} s", flush=True)

        total = same = in_write = late = runs = 0
        while total < options.kills:
            out, runs, kills = directory / f"run-{runs}", runs + 1, 0
            for _ in range(min(options.a_run, options.kills - total)):
                process = start(data, out, options.epochs, log)
                if rng.random() < 0.5:
                    kill_at_random(process, rng.uniform(0, seconds))
                else:
                    kill_in_write(process, out, int(rng.integers(0, options.epochs)))
                killed = process.returncode == -signal.SIGKILL
                kills += killed
                late += not killed
                in_write += killed and any(out.rglob(".*.part"))
                if not killed:
                    break
            if not (out / run_directory.REPORT).exists():
                start(data, out, options.epochs, log).wait()
            total += kills
            good = (out / run_directory.REPORT).exists() and survived(out, whole)
            same += kills * good
            print(
                f"{total} kills, {in_write} inside a write; {same} survived bit for "
                f"bit; {late} processes had ended before",
                flush=True,
            )
            if not good:
                sys.exit(f"a killed run ended otherwise:\n{log.read_text()[-2000:]}")


if __name__ == "__main__":
    main()
