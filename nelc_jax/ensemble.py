"""Ensembles: independent members, one leading axis on every array of a `State`.

Member i has the key `fold_in(key, i)`, and nothing else enters its random numbers: it
is the same member in an ensemble of any size, or alone. `map_members` spreads any
function of one member over the local devices; `train` does so by itself. Call both
under `jax.jit`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, Key, Shaped

from . import training
from ._checks import (
    check_batches,
    check_class,
    check_count,
    check_kinds,
    check_rate,
    check_values,
    checked,
)
from .training import AbstractRule, State, StepInfo

__all__ = ["init", "map_members", "member_mesh", "train"]

AXIS = "member"
"""The axis of `member_mesh`."""

Tree = TypeVar("Tree")

CPU_GROUP = 24
"""Members that a CPU core trains side by side: what its cache holds of them."""

DEVICE_GROUP = 1024
"""Those of an accelerator, to bound the memory that a step takes."""


@checked
def init(
    rule: AbstractRule,
    key: Key[Array, ""],
    members: Int[Array, " M"],
    x: Shaped[Array, "N D"],
    learning_rate: Float[Array, " M"] | Float[Array, ""] | float | None = None,
    mesh: Mesh | None = None,
) -> State:
    """The members' states before the first step (`rule.init`).

    They lie where `train` leaves them, which compiles once.

    **Arguments:** `rule`; one typed `key` for the ensemble; `members`, their numbers;
    data `x`, shared; `learning_rate`, one a member or one for all (default: that of the
    rule's optimiser); `mesh`, that of `train`.

    **Raises:** `ValueError` for a known number below 0 or of more than 32 bits, which
    would have the key of another member; as `rule.init` and `set_learning_rate`.
    """
    expected = "a member in 0 .. 2^32 - 1"
    check_values("members", members, lambda v: (v >= 0) & (v < 2**32), expected)
    if learning_rate is not None:
        check_rate("learning_rate", learning_rate)

    def one(member):
        return rule.init(jax.random.fold_in(key, member), x)

    states = jax.vmap(one)(members)
    if learning_rate is not None:
        states = training.set_learning_rate(states, learning_rate)
    return _lay_out(states, _devices(len(members), mesh))


def train(
    rule: AbstractRule,
    states: State,
    x: Shaped[Array, "N D"],
    batch_sizes: Int[Array, " K"],
    mesh: Mesh | AbstractMesh | None = None,
) -> tuple[State, StepInfo]:
    """K gradient steps of every member (`training.train`); infos have axes (M, K).

    **Arguments:** `rule`; `states` from `init`; data `x`; `batch_sizes`, one a step;
    `mesh`, as for `map_members`.

    **Raises:** as `rule.step`, `TypeError` for arguments of another kind, and
    `ValueError` for the state of one member.
    """
    check_class("states", states, State)
    check_kinds(
        [
            ("rule", rule, AbstractRule),
            ("x", x, Shaped[Array, "N D"]),
            ("batch_sizes", batch_sizes, Int[Array, " K"]),
            ("mesh", mesh, Mesh | AbstractMesh | None),
        ]
    )
    check_batches("batch_sizes", batch_sizes)
    if states.step.ndim == 0:
        raise ValueError(
            "states.step.shape=(): expected (M,), the states of `ensemble.init`; "
            "training.train takes one"
        )

    def one(state, x, batch_sizes):
        return training.train(rule, state, x, batch_sizes)

    return map_members(one, 1, mesh)(states, x, batch_sizes)


@checked
def member_mesh(num_members: int, devices: Sequence | None = None) -> Mesh:
    """A mesh of one axis `"member"` over at most `num_members` of the local devices.

    **Raises:** `ValueError` for a `num_members` below 1.
    """
    check_count("num_members", num_members, 1, "member")
    devices = list(devices or jax.local_devices())[:num_members]
    return jax.make_mesh(
        (len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )


@checked
def map_members(
    function: Callable[..., Any],
    num_mapped: int,
    mesh: Mesh | AbstractMesh | None = None,
) -> Callable:
    """`vmap` a function of one member over all, spread over the devices of a mesh.

    Each device runs its own members and no device waits for another; it takes them in
    equal groups of at most `CPU_GROUP` or `DEVICE_GROUP`, one group after the other.
    Members that fill up the devices and groups are copies of the last one, dropped from
    the results. What is returned takes the arguments of `function`, of which the first
    `num_mapped` (and all results) have a leading member axis; the others are shared.

    **Arguments:** `function`, pure; `num_mapped`; `mesh`, from `member_mesh` (default:
    all local devices; within a `shard_map`, the one device that it runs on); an
    `AbstractMesh` stands for accelerators that are not here (`jax.export`).

    **Raises:** `ValueError` for a `num_mapped` below 1; what is returned, for arguments
    without a common member axis.
    """
    check_count("num_mapped", num_mapped, 1, "argument with a member axis")

    def mapped(*arguments):
        members, shared = arguments[:num_mapped], arguments[num_mapped:]
        count = _member_count(members)
        vmapped = jax.vmap(function, in_axes=(0,) * num_mapped + (None,) * len(shared))
        devices = _devices(count, mesh)
        if devices is None:
            return vmapped(*arguments)
        each = -(-count // devices.size)
        groups = -(-each // _side_by_side(devices))
        size = -(-each // groups)
        padded = _fill_up(members, size * groups * devices.size)
        one_device = _in_groups(vmapped, num_mapped, groups) if groups > 1 else vmapped
        # Of a given mesh also one device: it may be another than the default.
        if devices.size > 1 or mesh is not None:
            one_device = jax.shard_map(
                one_device,
                mesh=devices,
                in_specs=(PartitionSpec(AXIS),) * num_mapped
                + (PartitionSpec(),) * len(shared),
                out_specs=PartitionSpec(AXIS),
                # Per-member scans start from constants that are equal on all devices;
                # the check for such mixtures asks for annotations and changes nothing.
                check_vma=False,
            )
        results = jax.tree.map(lambda a: a[:count], one_device(*padded, *shared))
        return _lay_out(results, devices)

    return mapped


def _devices(
    count: int, mesh: Mesh | AbstractMesh | None
) -> Mesh | AbstractMesh | None:
    """Where members run; None where there are none, and within a `shard_map`."""
    within = mesh is None and jax.sharding.get_abstract_mesh().manual_axes
    if within or not count:
        return None
    return member_mesh(count) if mesh is None else mesh


def _side_by_side(devices: Mesh | AbstractMesh) -> int:
    """Members that a device takes at a time."""
    here = isinstance(devices, Mesh)
    on_cpu = here and devices.devices.flat[0].platform == "cpu"
    return CPU_GROUP if on_cpu else DEVICE_GROUP


def _lay_out(results: Tree, devices: Mesh | AbstractMesh | None) -> Tree:
    """Arrays with a member axis, in equal shares on the devices, or whole on each.

    Said at the ends of `init` and of mapped functions: what one of them returns is then
    where any other takes it, and no program is compiled again for another place.
    """
    if devices is None or devices.size == 1:
        return results

    def lay_out(array):
        even = array.shape[0] % devices.size == 0
        spec = PartitionSpec(AXIS) if even else PartitionSpec()
        return jax.lax.with_sharding_constraint(array, NamedSharding(devices, spec))

    return jax.tree.map(lay_out, results)


def _member_count(mapped: tuple) -> int:
    """The members of arguments with a member axis."""
    count = None
    for place, argument in enumerate(mapped):
        for leaf in jax.tree.leaves(argument):
            first = leaf.shape[0] if leaf.ndim else None
            count = first if count is None else count
            if first is None or first != count:
                raise ValueError(
                    f"argument {place} has an array of shape {leaf.shape}: expected a "
                    f"leading axis of members{'' if count is None else f', {count}'}"
                )
    if count is None:
        raise ValueError("no argument has an array: expected a leading axis of members")
    return count


def _fill_up(members: tuple, size: int) -> tuple:
    """Arguments with a leading axis of `size`, filled up with copies of the last."""

    def fill(array):
        spare = size - array.shape[0]
        if not spare:
            return array
        return array[jnp.minimum(jnp.arange(size), array.shape[0] - 1)]

    return jax.tree.map(fill, members)


def _in_groups(vmapped: Callable, num_mapped: int, groups: int) -> Callable:
    """`vmapped`, with the members of its first arguments group by group."""

    def grouped(*arguments):
        members, shared = arguments[:num_mapped], arguments[num_mapped:]

        def split(array):
            return array.reshape(groups, -1, *array.shape[1:])

        def join(array):
            return array.reshape(-1, *array.shape[2:])

        results = jax.lax.map(
            lambda group: vmapped(*group, *shared), jax.tree.map(split, members)
        )
        return jax.tree.map(join, results)

    return grouped
