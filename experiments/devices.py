"""The devices that a command runs on."""

import os

import jax


def use_all_cores() -> None:
    """Make every CPU core a device, so that members spread over the cores.

    Must run before anything else asks JAX for its devices; no effect on accelerators.
    """
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
