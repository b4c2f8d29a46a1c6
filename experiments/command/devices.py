"""The devices that a command runs on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import jax

from experiments.command.errors import UserError
from nelc_jax._cache import processor


def use_all_cores() -> None:
    """Make every CPU core a device, so that members spread over the cores.

    Must run before anything else asks JAX for its devices; no effect on accelerators,
    or where JAX_NUM_CPU_DEVICES or XLA_FLAGS say how many devices there are. Each core
    then works on its own members, so operations are not split over threads as well: the
    two kinds of parallelism together are slower than either.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = {"xla_cpu_multi_thread_eigen": "false"}
    if "avx512f" in processor():
        # Of its vectors XLA uses half by itself.
        wanted["xla_cpu_prefer_vector_width"] = "512"
    missing = [f"--{name}={wanted[name]}" for name in wanted if name not in flags]
    os.environ["XLA_FLAGS"] = " ".join([flags, *missing]).strip()
    if not device_count_is_given():
        jax.config.update("jax_num_cpu_devices", usable_cores())


def device_count_is_given() -> bool:
    """Whether the environment says how many devices the CPU is."""
    flags = os.environ.get("XLA_FLAGS", "")
    forced = "xla_force_host_platform_device_count" in flags
    return forced or "JAX_NUM_CPU_DEVICES" in os.environ


def usable_cores() -> int:
    """The cores that this process may use; macOS and Windows know those of all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_devices() -> None:
    """Check that JAX finds a device to run on.

    **Raises:** `UserError` where it does not, as JAX_PLATFORMS=cuda without a GPU.
    """
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:
        wanted = os.environ.get("JAX_PLATFORMS", "")
        reason = "".join(str(error).splitlines()[:1]) or "there is none"
        raise UserError(
            f"JAX_PLATFORMS={wanted} gives no device ({reason}): unset it to run on "
            "what is here, or install JAX for that device"
        ) from error


@contextmanager
def reports_lost_process(go_on: str) -> Iterator[None]:
    """Make the end of another process a `UserError`, where Python is told of it.

    **Arguments:** `go_on`, the command that goes on.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        raise UserError(
            f"--distributed: another process was lost ({str(error).splitlines()[0]}): "
            f"what was saved before is kept: to go on, {go_on}"
        ) from error


def join_processes() -> None:
    """Join the other processes of a distributed run, on CPUs to be counted only.

    JAX ends whoever is connected to a process that is lost, and training tells the
    others nothing. JAX finds its settings on SLURM and other clusters; elsewhere they
    are read from JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and
    JAX_PROCESS_ID.

    **Raises:** `UserError` when the settings are missing or the others do not answer.
    """
    count = os.environ.get("JAX_NUM_PROCESSES")
    process = os.environ.get("JAX_PROCESS_ID")
    # The cores of a process need no connection to one another.
    jax.config.update("jax_cpu_collectives_implementation", None)
    try:
        jax.distributed.initialize(
            num_processes=None if count is None else int(count),
            process_id=None if process is None else int(process),
        )
        check_devices()
        if jax.default_backend() == "cpu":
            jax.distributed.shutdown()
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--distributed cannot start ({reason}): set JAX_COORDINATOR_ADDRESS, "
            "JAX_NUM_PROCESSES and JAX_PROCESS_ID, or run under SLURM"
        ) from error
