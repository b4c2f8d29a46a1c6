"""Show that the tests catch deliberate faults: `python -m tests.mutations`.

`faults.toml` lists the faults, at least one a module: a snippet that occurs once in a
file, what takes its place, and the few tests that should fail then. Each fault is put
into a copy of the working tree. Not part of the suite: all of them take some twenty
minutes on one core.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.toml")
WIDTH = 34
"""Columns for the name of a fault."""

RUNNING: set[subprocess.Popen] = set()
"""pytest's processes, for Ctrl-C."""


@dataclass(frozen=True)
class Fault:
    """One fault: `before` becomes `after` in `file`, and one of `tests` should fail."""

    name: str
    about: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: `caught` by a test, or why it was not."""

    fault: Fault
    result: str
    detail: str
    seconds: float


def load_faults() -> list[Fault]:
    """All faults of the list, in its order."""
    entries = tomllib.loads(FAULTS.read_text())["fault"]
    faults = [Fault(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]
    names = [fault.name for fault in faults]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SystemExit(f"{FAULTS.name}: {', '.join(twice)} twice")
    return faults


def choose(faults: list[Fault], names: list[str]) -> list[Fault]:
    """The faults of the given names, or of files that begin with them."""
    chosen = [f for f in faults if f.name in names or f.file.startswith(tuple(names))]
    if not chosen:
        raise SystemExit(f"--only {' '.join(names)}: no such fault; see --list")
    return chosen


def moved(fault: Fault) -> str | None:
    """Why a fault cannot be put in any more, or None."""
    path = ROOT / fault.file
    if not path.is_file():
        return f"the code has moved: there is no {fault.file}"
    count = path.read_text().count(fault.before)
    if count != 1:
        return f"the code has moved: {count} places in {fault.file}"
    return None


def copy_tree(target: Path) -> None:
    """Copy the files of the working tree that git knows or would add."""
    command = "git ls-files -z --cached --others --exclude-standard"
    listed = subprocess.run(
        command.split(), cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.split("\0"):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def run_tests(root: Path, tests: Iterable[str], limit: float) -> tuple[int | None, str]:
    """pytest's status in a copy, None past the limit in seconds, and what it printed.

    In a session of its own, so that no process of a test stays.
    """
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-rfE", *tests]
    process = subprocess.Popen(
        command,
        cwd=root,
        # Before an editable installation of the working tree.
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    RUNNING.add(process)
    try:
        printed, _ = process.communicate(timeout=limit)
        return process.returncode, printed
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        stop(process)
        process.wait()
        RUNNING.discard(process)


def stop(process: subprocess.Popen) -> None:
    """End a process and all that its tests have started and left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def control(faults: list[Fault], limit: float) -> None:
    """Run the tests of all faults without any of them: they must pass."""
    tests = dict.fromkeys(test for fault in faults for test in fault.tests)
    with tempfile.TemporaryDirectory() as directory:
        copy_tree(Path(directory))
        status, printed = run_tests(Path(directory), tests, limit * len(tests))
    if status != 0:
        raise SystemExit(f"{printed}\nThese tests fail without any fault.")


def try_fault(fault: Fault, limit: float) -> Outcome:
    """Put a fault into a copy, and run its tests there."""
    started = time.perf_counter()

    def outcome(result: str, detail: str) -> Outcome:
        return Outcome(fault, result, detail, time.perf_counter() - started)

    reason = moved(fault)
    if reason:
        return outcome("not applicable", reason)
    with tempfile.TemporaryDirectory() as directory:
        copy_tree(Path(directory))
        path = Path(directory, fault.file)
        path.write_text(path.read_text().replace(fault.before, fault.after))
        status, printed = run_tests(Path(directory), fault.tests, limit)
    if status is None:
        return outcome("too slow", f"no result after {limit:.0f} s")
    if status == 0:
        return outcome("SURVIVED", " ".join(fault.tests))
    failed = re.search(r"^FAILED (\S+)", printed, re.MULTILINE)
    if status != 1 or not failed:
        # A fault that breaks an import or a fixture shows nothing about a test.
        return outcome("broken", (printed.strip().splitlines() or [""])[-1])
    return outcome("caught", failed.group(1))


def row(outcome: Outcome) -> str:
    """A line of the table: fault, result, seconds, and the test or the reason."""
    name, seconds = outcome.fault.name, outcome.seconds
    return f"{name:{WIDTH}} {outcome.result:14} {seconds:4.0f} s  {outcome.detail}"


def main() -> int:
    """Status 0 where every fault is caught, else 1."""
    parser = argparse.ArgumentParser("tests.mutations", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="these faults, or those of a path"
    )
    parser.add_argument("--list", action="store_true", help="list the faults, run none")
    parser.add_argument("--processes", type=int, default=1, help="faults at a time")
    parser.add_argument(
        "--limit", type=float, default=300, help="seconds for the tests of a fault"
    )
    options = parser.parse_args()
    faults = load_faults()
    if options.only:
        faults = choose(faults, options.only)
    if options.list:
        for fault in faults:
            print(f"{fault.name:{WIDTH}} {fault.file:40} {fault.about}")
        return 0
    print("control: the tests of these faults, without any of them", file=sys.stderr)
    control(faults, options.limit)
    with ThreadPoolExecutor(options.processes) as pool:
        running = pool.map(lambda fault: try_fault(fault, options.limit), faults)
        caught = 0
        try:
            for outcome in tqdm(running, total=len(faults), unit="fault"):
                tqdm.write(row(outcome))
                caught += outcome.result == "caught"
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(RUNNING):
                stop(process)
            return 128 + signal.SIGINT
    print(f"{caught} of {len(faults)} faults are caught")
    return 0 if caught == len(faults) else 1


if __name__ == "__main__":
    sys.exit(main())
