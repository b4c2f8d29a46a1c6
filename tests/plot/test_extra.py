"""Who does not plot needs no matplotlib."""

import subprocess
import sys

PROGRAM = """
import sys
sys.modules["matplotlib"] = None
import nelc_jax
try:
    import nelc_jax.plot
except ModuleNotFoundError as error:
    print(error)
"""


def test_without_matplotlib_the_library_works_and_plot_names_its_extra():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "nelc_jax.plot needs matplotlib: pip install 'nelc_jax[plot]'\n"
    )
