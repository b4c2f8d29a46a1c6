"""Loops and branches of `jax.lax` whose arrays may differ between devices.

Within `shard_map` an array has the axes of the mesh over which it *varies*, and a loop
is refused whose carry comes back with others than it went in with: one that starts from
a constant, or from an argument that is equal on all devices while another is not. Which
axes a carry needs is found by tracing the loop's body; nothing is traced elsewhere.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = [
    "fori_loop",
    "platform_dependent",
    "scan",
    "scan_blocks",
    "vary_with",
    "while_loop",
]


def scan(
    body: Callable, init: Any, xs: Any = None, length: int | None = None, **how: Any
) -> tuple[Any, Any]:
    """`jax.lax.scan`."""
    if not _is_manual() or any(len(leaf) == 0 for leaf in jax.tree.leaves(xs)):
        return jax.lax.scan(body, init, xs, length, **how)
    init = _as_it_returns(lambda carry: body(carry, _first(xs))[0], init)

    def marked(carry, x):
        after, y = body(carry, x)
        return _vary_like(after, carry), y

    return jax.lax.scan(marked, init, xs, length, **how)


def scan_blocks(
    num_steps: int, size: int, block: Callable, init: Any
) -> tuple[Any, Any]:
    """Scan `block(carry, index, length)` over blocks of `size` steps and a rest."""
    whole, rest = divmod(num_steps, size)
    carry, parts = init, []
    if whole:
        carry, stacked = scan(
            functools.partial(block, length=size),
            carry,
            jnp.arange(whole, dtype=jnp.int32),
        )
        parts.append(jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), stacked))
    if rest:
        carry, stacked = block(carry, jnp.int32(whole), rest)
        parts.append(stacked)
    return carry, jax.tree.map(lambda *a: jnp.concatenate(a), *parts)


def fori_loop(lower: Any, upper: Any, body: Callable, init: Any, **how: Any) -> Any:
    """`jax.lax.fori_loop`."""
    if not _is_manual():
        return jax.lax.fori_loop(lower, upper, body, init, **how)
    init = _as_it_returns(lambda carry: body(jnp.asarray(lower), carry), init)

    def marked(i, carry):
        return _vary_like(body(i, carry), carry)

    return jax.lax.fori_loop(lower, upper, marked, init, **how)


def while_loop(unfinished: Callable, body: Callable, init: Any) -> Any:
    """`jax.lax.while_loop`."""
    if not _is_manual():
        return jax.lax.while_loop(unfinished, body, init)
    init = _as_it_returns(body, init)
    return jax.lax.while_loop(
        unfinished, lambda carry: _vary_like(body(carry), carry), init
    )


def platform_dependent(*arguments: Any, **branches: Callable) -> Any:
    """`jax.lax.platform_dependent`, whose branches must vary over the same axes."""
    if _is_manual():
        found = [jax.eval_shape(branch, *arguments) for branch in branches.values()]
        branches = {name: _marking(of, found) for name, of in branches.items()}
    return jax.lax.platform_dependent(*arguments, **branches)


def vary_with(tree: Any, *others: Any) -> Any:
    """A tree of arrays, each varying also over the axes over which the others do.

    For what is differentiated: the derivative of an array that does not vary is one on
    all devices, the sum of theirs.
    """
    axes = frozenset[str]().union(*_axes_of(others))
    return jax.tree.map(lambda leaf: _vary(leaf, axes), tree)


def _marking(function: Callable, likes: list) -> Callable:
    """A function whose results vary over the axes of each of `likes` as well."""

    def marked(*arguments):
        return functools.reduce(_vary_like, likes, function(*arguments))

    return marked


def _is_manual() -> bool:
    """Whether this is traced within a `shard_map`."""
    return bool(jax.sharding.get_abstract_mesh().manual_axes)


def _first(xs: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], xs)


def _as_it_returns(body: Callable, carry: Any) -> Any:
    """The carry, varying over all axes over which it comes back from the body."""
    while True:
        marked = _vary_like(carry, jax.eval_shape(body, carry))
        if _axes_of(marked) == _axes_of(carry):
            return marked
        # What came back may vary over more axes now.
        carry = marked


def _vary_like(tree: Any, like: Any) -> Any:
    """The tree, each leaf varying also over the axes of its counterpart."""
    if jax.tree.structure(tree) != jax.tree.structure(like):
        # The loop itself complains of a body that changes the structure.
        return tree
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, map(_vary, leaves, _axes_of(like)))


def _vary(leaf: Any, axes: frozenset) -> Any:
    missing = axes - _axes(leaf)
    if not missing:
        return leaf
    return jax.lax.pcast(jnp.asarray(leaf), tuple(missing), to="varying")


def _axes_of(tree: Any) -> list[frozenset]:
    return [_axes(leaf) for leaf in jax.tree.leaves(tree)]


def _axes(leaf: Any) -> frozenset:
    """The axes over which an array varies; none where the check is off."""
    described = leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)
    axes = getattr(described, "manual_axis_type", None)
    return frozenset() if axes is None else axes.varying
