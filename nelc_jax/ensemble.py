"""Ensembles: independent members, one leading axis on every array of a `State`.

Member i has the key `fold_in(key, i)`, and nothing else enters its random numbers: it
is the same member in an ensemble of any size, or alone.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec
from jaxtyping import Array, Float, Int, Key, Shaped

from . import training
from .annotations import checked
from .checks import check_batches, check_count, check_rate
from .latent import Latent
from .training import Config, State, StepInfo

AXIS = "member"
"""The axis of `member_mesh`."""

CPU_GROUP = 24
"""Members that a CPU core trains side by side: what its cache holds of them."""


@checked
def member_keys(key: Key[Array, ""], members: Int[Array, " M"]) -> Key[Array, " M"]:
    """The members' keys, `fold_in(key, i)` for each number i in `members`."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, members)


def member_mesh(num_members: int, devices: list | None = None) -> Mesh:
    """A mesh of one axis `"member"` over at most `num_members` of the local devices.

    **Raises:** `ValueError` for a `num_members` below 1.
    """
    check_count("num_members", num_members, 1, "member")
    devices = (devices or jax.local_devices())[:num_members]
    return jax.make_mesh(
        (len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )


def map_members(function: Callable, num_mapped: int, mesh: Mesh) -> Callable:
    """`vmap` a function of one member over all, spread over the devices of a mesh.

    Each device runs its own members and no device waits for another; a CPU device takes
    them in groups of about `CPU_GROUP`, one group after the other. The result takes
    the arguments of `function`, of which the first `num_mapped` (and all results) have
    a leading member axis, divisible by the size of the mesh; the others are shared.

    **Arguments:** `function`, pure; `num_mapped`; `mesh` from `member_mesh`.

    **Raises:** `ValueError` for a `num_mapped` below 1; what is returned, for arguments
    without a member axis that the devices of the mesh can share.
    """
    check_count("num_mapped", num_mapped, 1, "argument with a member axis")

    on_cpu = mesh.devices.flat[0].platform == "cpu"

    def mapped(*arguments):
        _member_count(arguments[:num_mapped], mesh.size)
        split = len(arguments) - num_mapped
        axes = (0,) * num_mapped + (None,) * split
        specs = (PartitionSpec(AXIS),) * num_mapped + (PartitionSpec(),) * split
        vmapped = jax.vmap(function, in_axes=axes)
        return jax.shard_map(
            _in_groups(vmapped, num_mapped) if on_cpu else vmapped,
            mesh=mesh,
            in_specs=specs,
            out_specs=PartitionSpec(AXIS),
            # Per-member scans start from constants that are equal on all devices; the
            # check for such mixtures asks for annotations and changes no result.
            check_vma=False,
        )(*arguments)

    return mapped


def _member_count(mapped: tuple, num_devices: int) -> int:
    """The members of arguments with a member axis, which must fit the devices."""
    for place, argument in enumerate(mapped):
        for leaf in jax.tree.leaves(argument):
            if leaf.ndim == 0 or leaf.shape[0] % num_devices:
                raise ValueError(
                    f"argument {place} has an array of shape {leaf.shape}: expected a "
                    f"leading axis of members, a multiple of the {num_devices} devices"
                )
    return jax.tree.leaves(mapped)[0].shape[0]


def _in_groups(vmapped: Callable, num_mapped: int) -> Callable:
    """`vmapped`, with the members of its first arguments group by group."""

    def grouped(*arguments):
        members, shared = arguments[:num_mapped], arguments[num_mapped:]
        count = _member_count(members, 1)
        size = _group_size(count)
        if size == count:
            return vmapped(*arguments)

        def split(array):
            return array.reshape(count // size, size, *array.shape[1:])

        def join(array):
            return array.reshape(count, *array.shape[2:])

        results = jax.lax.map(
            lambda group: vmapped(*group, *shared), jax.tree.map(split, members)
        )
        return jax.tree.map(join, results)

    return grouped


def _group_size(count: int) -> int:
    """The largest divisor of `count` that is at most `CPU_GROUP`, if not too small."""
    size = max(d for d in range(1, CPU_GROUP + 1) if count % d == 0)
    # Small operations cost their call: better one group than many of a few members.
    return size if 2 * size > CPU_GROUP // 2 else count


@checked
def init(
    key: Key[Array, ""],
    members: Int[Array, " M"],
    latent: Latent,
    x: Shaped[Array, "N D"],
    config: Config | None = None,
    learning_rate: Float[Array, " M"] | Float[Array, ""] | float = 0.1,
) -> State:
    """The members' states before the first step (`training.init`, App. A1).

    **Arguments:** one typed `key` for the ensemble; `members`, their numbers;
    `latent`; data `x`, shared; `learning_rate`, one a member or one for all.

    **Raises:** as `training.init`.
    """
    check_rate("learning_rate", learning_rate)
    rates = jnp.broadcast_to(jnp.asarray(learning_rate, jnp.float32), members.shape)

    def one(member_key, rate):
        return training.init(member_key, latent, x, config, rate)

    return jax.vmap(one)(member_keys(key, members), rates)


def train(
    config: Config,
    states: State,
    x: Shaped[Array, "N D"],
    batch_sizes: Int[Array, " K"],
) -> tuple[State, StepInfo]:
    """K gradient steps of every member (`training.train`); infos have axes (M, K).

    **Raises:** as `training.train`, and `ValueError` for the state of one member.
    """
    check_batches("batch_sizes", batch_sizes)
    if states.step.ndim == 0:
        raise ValueError(
            "states.step.shape=(): expected (M,), the states of `ensemble.init`; "
            "training.train takes one"
        )
    one = partial(training.train, config)
    return jax.vmap(one, in_axes=(0, None, None))(states, x, batch_sizes)
