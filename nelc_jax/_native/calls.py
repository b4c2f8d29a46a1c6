"""The functions of `cycles.c` in JAX, and where they take the place of XLA's."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from ..latent import AbstractLatent, OneHot
from ..model import Model, Parameters
from . import compiler

WIDTHS = (8, 16, 32, 64)
"""Lengths of a row, to which L is padded: a library is compiled for each."""

LARGEST_VISIBLE = 60_000
"""Lists of pixels have 16 bits a number."""

Result = TypeVar("Result")


def covers(model: Model) -> bool:
    """Whether there is a library for a model, which is compiled if need be."""
    latent, parameters = model.latent, model.parameters
    return (
        # Not a subclass, which may have replaced any method.
        type(latent) is OneHot
        and latent.num_units <= WIDTHS[-1]
        and model.num_visible <= LARGEST_VISIBLE
        and all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(parameters))
        and model.x_mean.dtype == jnp.float32
        and compiler.shared_object(_width(latent)) is not None
    )


def covers_points(x: Shaped[Array, "N D"]) -> bool:
    """Whether data are of a type that can only be zeros and ones."""
    return x.dtype == jnp.bool_


def in_place_of(
    xla: Callable[..., Result], native: Callable[..., Result]
) -> Callable[..., Result]:
    """`native`, a function for the CPU that gives what `xla` gives, and its derivative.

    No function of the C file has one: derivatives are those of `xla`.
    """
    function = jax.custom_jvp(native)
    function.defjvp(lambda primals, tangents: jax.jvp(xla, primals, tangents))
    return function


def chain(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    first: Int[Array, ""] | int,
    num_steps: int,
) -> tuple[
    Bool[Array, " D"], Bool[Array, "T D"], Int[Array, " T"], Float[Array, "T L"]
]:
    """x(T), and x(t), the index of z(t) and h(t), from double step `first` of a chain.

    `first` is a multiple of `_random.BLOCK`.
    """
    D, L = model.num_visible, model.latent.num_units
    shapes = [
        ((num_steps, D), jnp.bool_),
        ((num_steps,), jnp.int32),
        ((num_steps, L), jnp.float32),
        ((D,), jnp.bool_),
    ]
    arguments = (*_arguments(model, x), _words(key), jnp.asarray(first, jnp.int32))
    xs, z, h, x_end = _call("chain", model.latent, shapes, arguments, num_steps)
    return x_end, xs, z, h


def gradient(
    model: Model,
    key: Key[Array, ""],
    x: Shaped[Array, " D"],
    points: Bool[Array, "N D"],
    batch_size: Int[Array, ""],
    chain_length: int,
    score: str,
) -> tuple[Bool[Array, " D"], Parameters, Float[Array, ""], Bool[Array, ""]]:
    """The end of the chain, eq. 16a-d and 17, ln p of the mini-batch, and `finite`."""
    D, L = model.num_visible, model.latent.num_units
    shapes = [
        *_parameter_shapes(D, L),
        ((D,), jnp.bool_),
        ((), jnp.float32),
        ((), jnp.bool_),
    ]
    sizes = batch_size.astype(jnp.int32)
    arguments = (*_arguments(model, x), _words(key), points, sizes)
    w, w_bar, a_bar, x_end, log_p, finite = _call(
        "gradient", model.latent, shapes, arguments, chain_length, score
    )
    found = Parameters(
        w=w, a=jnp.zeros_like(model.parameters.a), w_bar=w_bar, a_bar=a_bar
    )
    return x_end, found, log_p, finite


def train(
    model: Model,
    squares: Parameters,
    rate: Float[Array, ""],
    keys: Key[Array, " K"],
    x: Shaped[Array, " D"],
    points: Bool[Array, "N D"],
    batch_sizes: Int[Array, " K"],
    chain_length: int,
    score: str,
    decay: float,
    eps: float,
) -> tuple[
    Parameters, Parameters, Bool[Array, " D"], Float[Array, " K"], Bool[Array, " K"]
]:
    """K gradient steps with RMSprop, whose mean squares are `squares`.

    **Returns:** parameters, mean squares, x(T) of the last step, and ln p of the
    mini-batch and `finite` of each.
    """
    D, L, steps = model.num_visible, model.latent.num_units, batch_sizes.shape[0]
    shapes = [
        *_parameter_shapes(D, L),
        *_parameter_shapes(D, L),
        ((D,), jnp.bool_),
        ((steps,), jnp.float32),
        ((steps,), jnp.bool_),
    ]
    words = jax.vmap(_words)(keys)
    sizes, rate = batch_sizes.astype(jnp.int32), rate.astype(jnp.float32)
    arguments = (*_arguments(model, x), words, points, sizes)
    arguments = (*arguments, squares.w, squares.w_bar, squares.a_bar, rate)
    w, w_bar, a_bar, w_square, w_bar_square, a_bar_square, x_end, log_p, finite = _call(
        "train", model.latent, shapes, arguments, chain_length, score, decay, eps
    )
    # The gradient of a is zero (eq. 20).
    a_square = squares.a * jnp.float32(decay) ** steps
    return (
        Parameters(w=w, a=model.parameters.a, w_bar=w_bar, a_bar=a_bar),
        Parameters(w=w_square, a=a_square, w_bar=w_bar_square, a_bar=a_bar_square),
        x_end,
        log_p,
        finite,
    )


def average(
    model: Model,
    key: Key[Array, ""],
    strengths: Int[Array, "numbers strata K"],
    units: Int[Array, "S R"],
    signs: Float[Array, "S R"],
    best: Int[Array, " S"],
    num_batches: int,
) -> Float[Array, "B S S"]:
    """ln M of every batch of draws (`diagnostics._averages`), not normalised.

    **Arguments:** `strengths`, of the tilts of every round, by number within their
    stratum; of each latent state the `units` that its tilts flip, with `signs`, and
    `best`, z*.
    """
    L = model.latent.num_units
    shapes = [((num_batches, L, L), jnp.float32)]
    p = model.parameters
    tilts = (strengths, units, signs, best)
    arguments = (p.w, p.a, p.w_bar, p.a_bar, model.x_mean, _words(key), *tilts)
    return _call("average", model.latent, shapes, arguments)[0]


def _width(latent: AbstractLatent) -> int:
    return next(width for width in WIDTHS if latent.num_units <= width)


def _words(key: Key[Array, ""]) -> Array:
    """The two words that the generator takes of a key (`_random._words`)."""
    return jax.random.key_data(key)[:2].astype(jnp.uint32)


def _arguments(model: Model, x: Array) -> tuple[Array, ...]:
    p = model.parameters
    return (p.w, p.a, p.w_bar, p.a_bar, model.x_mean, x.astype(bool))


def _parameter_shapes(D: int, L: int) -> list:
    return [((D, L), jnp.float32), ((L, D), jnp.float32), ((L,), jnp.float32)]


def _call(
    task: str,
    latent: Any,
    shapes: list,
    arguments: tuple[Array, ...],
    chain_length: int = 0,
    score: str = "paper",
    decay: float = 0.0,
    eps: float = 0.0,
) -> Sequence[Array]:
    arguments, kind = _alike(arguments)
    results = [jax.ShapeDtypeStruct(*shape, **kind) for shape in shapes]
    function = jax.ffi.ffi_call(
        compiler.target(task, _width(latent)), results, vmap_method="expand_dims"
    )
    return function(
        *arguments,
        chain_length=np.int32(chain_length),
        softmax=np.int32(latent.normalization == "softmax"),
        exact=np.int32(score == "exact"),
        decay=np.float32(decay),
        eps=np.float32(eps),
    )


def _alike(arguments: tuple[Array, ...]) -> tuple[tuple[Array, ...], dict[str, Any]]:
    """Within a `shard_map`: all vary over the axes that any of them varies over.

    And what says so of the results.
    """

    def varying(array):
        return jax.typeof(array).manual_axis_type.varying

    axes = frozenset[str]().union(*map(varying, arguments))
    if not axes:
        return arguments, {}

    def cast(array):
        missing = tuple(axes - varying(array))
        return jax.lax.pcast(array, missing, to="varying") if missing else array

    arguments = tuple(map(cast, arguments))
    kind = jax.typeof(arguments[0])
    sharding = NamedSharding(kind.sharding.mesh, PartitionSpec())
    return arguments, {
        "manual_axis_type": kind.manual_axis_type,
        "sharding": sharding,
    }
