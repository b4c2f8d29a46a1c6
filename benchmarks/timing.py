"""Timing of compiled functions, and of what the machine can do at most."""

import resource
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from nelc_jax._random import threefry


def seconds_of(function: Callable[[], object], repeats: int) -> float:
    """The median wall time of a call, after one that is not counted."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory_mib() -> float:
    """The largest memory so far, in MiB: of the device, or of the process on a CPU."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def device_limits(repeats: int = 5) -> dict[str, float]:
    """What all local devices reach together, on one task each.

    `copy_bytes_per_second`: reading and writing 64 MiB of float32 a device;
    `flops_per_second`: the product of two 1024 x 1024 float32 matrices in full
    precision; `random_bits_per_second`: 16 bits a draw from the library's generator,
    summed and not stored.
    """
    devices = jax.local_devices()
    mesh = jax.make_mesh(
        (len(devices),), ("d",), axis_types=(jax.sharding.AxisType.Auto,)
    )
    spec = jax.sharding.PartitionSpec("d")

    def on_all(function, array):
        array = jax.device_put(
            jnp.broadcast_to(array, (len(devices), *array.shape)),
            jax.sharding.NamedSharding(mesh, spec),
        )
        mapped = jax.jit(
            jax.shard_map(
                jax.vmap(function),
                mesh=mesh,
                in_specs=spec,
                out_specs=spec,
                check_vma=False,
            )
        )
        return seconds_of(lambda: mapped(array), repeats)

    words, side, steps = 2**24, 1024, 256
    copied = on_all(lambda a: a + 1, jnp.zeros(words, jnp.float32))
    product = on_all(
        lambda a: jnp.matmul(a, a, precision=jax.lax.Precision.HIGHEST),
        jnp.ones((side, side), jnp.float32),
    )

    def generate(offset):
        key = jax.random.key_data(jax.random.key(0))
        sites = jnp.arange(2**14, dtype=jnp.uint32)

        def step(total, t):
            low, high = threefry(key, jnp.full_like(sites, t + offset), sites)
            # One expression of both words, as in the chain: nothing is stored.
            return total ^ (low ^ high), None

        total, _ = jax.lax.scan(step, jnp.zeros(2**14, jnp.uint32), jnp.arange(steps))
        return total

    generated = on_all(generate, jnp.int32(0))
    n = len(devices)
    return {
        "copy_bytes_per_second": n * 8 * words / copied,
        "flops_per_second": n * 2 * side**3 / product,
        "random_bits_per_second": n * steps * 2**16 * 16 / generated,
    }
