"""Compiled programs, kept for the next command that needs them."""

import hashlib
import shutil

import jax
from filelock import FileLock, Timeout

from nelc_jax._cache import own_directory, processor

LARGEST = 2**28
"""Bytes that are kept; what was not used for longest goes first."""


def keep_programs(keep: bool) -> None:
    """Keep what XLA compiles in the user's cache directory, if `keep`.

    JAX's own settings come first (JAX_COMPILATION_CACHE_DIR and
    JAX_ENABLE_COMPILATION_CACHE). Where there is no directory that is the user's alone,
    nothing is kept, and nothing is said: all is compiled anew, as without it.
    """
    settings = jax.config.values
    settled = settings["jax_compilation_cache_dir"] is not None
    if not keep or settled or not settings["jax_enable_compilation_cache"]:
        return
    try:
        place = own_directory("programs")
        # XLA's programs have instructions that another machine may lack.
        place = place / hashlib.sha256(processor().encode()).hexdigest()[:16]
        place.mkdir(exist_ok=True)
        # On a full disk, or one without locks, JAX would warn of each program.
        if shutil.disk_usage(place).free < 2 * LARGEST:
            return
        with FileLock(place / ".lock", timeout=1):
            pass
    except (OSError, NotImplementedError, Timeout):
        return
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_compilation_cache_max_size", LARGEST)
    # Small ones too: there are a hundred, of half a tenth of a second each.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
