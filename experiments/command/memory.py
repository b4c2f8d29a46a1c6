"""What does not fit into memory is refused before anything begins."""

import math
import os
import sys

from experiments.command.errors import UserError


def check_memory(what: str, num_bytes: int, way_out: str = "give less") -> None:
    """Check that what is asked for fits into the memory of this machine.

    **Arguments:** `what` needs it, such as an option with its value; `num_bytes`, no
    more than it needs at least.

    **Raises:** `UserError` when there is less.
    """
    there = installed_memory()
    if there is not None and num_bytes > there:
        raise UserError(
            f"{what} needs {in_words(num_bytes)} of memory at least, and there are "
            f"{in_words(there)}: {way_out}"
        )


def installed_memory() -> int | None:
    """The bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def peak_memory() -> int | None:
    """The most bytes so far: of a device, or of this process on a CPU.

    None where neither the device nor the system says.
    """
    import jax

    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    try:
        # Windows has no such module.
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def in_words(num_bytes: int) -> str:
    """A number of bytes, with its unit."""
    # Of a number beyond those of floats, too.
    power = (num_bytes.bit_length() - 1) // 10 if num_bytes else 0
    names = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    if power >= len(names):
        return f"10^{math.floor(num_bytes.bit_length() * math.log10(2))} bytes"
    return f"{num_bytes / 1024**power:.3g} {names[power]}"
