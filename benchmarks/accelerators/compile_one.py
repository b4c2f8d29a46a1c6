"""Compile an exported program for a device that is not here, and say what it takes.

`python compile_one.py TARGET PROGRAM TEXT`, in an environment that has the compiler and
may have nothing else: it imports JAX alone. The compiled program goes to TEXT, what it
takes to the standard output.
"""

import json
import sys
import time
from pathlib import Path

import jax
import jax.export
from jax.experimental.topologies import get_topology_desc
from jax.sharding import SingleDeviceSharding


def device_of(target: str) -> jax.Device:
    """A device that programs can be compiled for, and no more."""
    if target == "h100":
        config = Path(__file__).with_name("h100.txtpb").read_text()
        options = {"target_config": config, "topology": "1x1x1"}
        return get_topology_desc(platform="cuda", **options).devices[0]
    return get_topology_desc(f"{target}:2x2", "tpu").devices[0]


def main() -> None:
    """Run the command."""
    target, program, text = sys.argv[1:]
    exported = jax.export.deserialize(bytearray(Path(program).read_bytes()))
    place = SingleDeviceSharding(device_of(target))
    shapes = [
        jax.ShapeDtypeStruct(aval.shape, aval.dtype, sharding=place)
        for aval in exported.in_avals
    ]
    arguments, _ = jax.tree.unflatten(exported.in_tree, shapes)
    # The states are given up, as the commands do.
    lowered = jax.jit(exported.call, donate_argnums=0).lower(*arguments)
    start = time.perf_counter()
    compiled = lowered.compile()
    seconds = time.perf_counter() - start
    memory = compiled.memory_analysis()
    Path(text).write_text(compiled.as_text())
    print(
        json.dumps(
            {
                "compile_seconds": seconds,
                "argument_bytes": memory.argument_size_in_bytes,
                "temporary_bytes": memory.temp_size_in_bytes,
                "new_output_bytes": memory.output_size_in_bytes
                - memory.alias_size_in_bytes,
            }
        )
    )


if __name__ == "__main__":
    main()
