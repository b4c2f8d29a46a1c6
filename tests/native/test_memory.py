"""The C file under the sanitizers, over sizes that divide nothing."""

import itertools
import subprocess
from pathlib import Path

import jax
import pytest

from nelc_jax._native import compiler

DRIVER = Path(__file__).with_name("driver.c")
# Unoptimised, where no wrong read is left out: a third of the time of -O1.
SANITIZERS = ("-g1", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

# D, L, T, points, mini-batch, steps, members.
SMALL = [(d, n, 7, 9, 9, 2, 2) for d, n in itertools.product((1, 5, 783), (1, 6, 8))]
CALLS = {
    8: [*SMALL, (784, 7, 65, 20, 130, 2, 2), (4097, 2, 64, 5, 1, 1, 1)],
    64: [(1, 64, 1, 1, 1, 1, 1), (5, 60, 65, 9, 9, 2, 1), (783, 33, 7, 9, 5, 1, 1)],
}


@pytest.mark.parametrize("width", CALLS)
def test_no_read_or_write_outside_of_an_array(command, tmp_path, width):
    program = tmp_path / "driver"
    flags = [flag for flag in compiler.FLAGS if flag not in ("-shared", "-O2")]
    include = ("-I", jax.ffi.include_dir(), "-I", str(compiler.SOURCE.parent))
    compiled = (*command, *flags, *SANITIZERS, *compiler.machine(width), *include)
    built = subprocess.run(
        (*compiled, str(DRIVER), "-o", str(program), "-lm"),
        capture_output=True,
        text=True,
    )
    if built.returncode:
        probe = tmp_path / "probe.c"
        probe.write_text("int main(void) { return 0; }")
        plain = (*command, *SANITIZERS, str(probe), "-o", str(tmp_path / "probe"))
        if subprocess.run(plain, capture_output=True).returncode:
            pytest.skip("the compiler comes without sanitizers")
    assert built.returncode == 0, built.stderr
    words = [str(number) for call in CALLS[width] for number in call]
    done = subprocess.run((str(program), *words), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stdout == "done\n"
