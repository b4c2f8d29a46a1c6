"""The training of an ensemble as a program for a platform that is not here."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.export
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType

from nelc_jax import State, ensemble
from nelc_jax.training import AbstractRule

PLATFORMS = ("cuda", "rocm", "tpu")


@dataclass(frozen=True)
class Sizes:
    """Those of a program: members, gradient steps in a call, and the data's."""

    members: int
    steps: int = 30
    num_points: int = 3000
    num_visible: int = 784


def export_training(
    rule: AbstractRule, sizes: Sizes, platform: str
) -> jax.export.Exported:
    """`ensemble.train` on one device of a platform, from shapes alone.

    **Returns:** a program of (arrays of the states, data, mini-batch sizes). Keys are
    words, and results lists: it can be called where this library is not.
    """
    x = jax.ShapeDtypeStruct((sizes.num_points, sizes.num_visible), bool)

    def init(key, x):
        states = jax.vmap(lambda key: rule.init(key, x))(
            jax.random.split(key, sizes.members)
        )
        return eqx.tree_at(_key, states, replace_fn=jax.random.key_data)

    states = jax.eval_shape(init, jax.random.key(0), x)
    arrays, structure = jax.tree.flatten(states)
    mesh = AbstractMesh((1,), (ensemble.AXIS,), axis_types=(AxisType.Auto,))

    def train(arrays, x, batch_sizes):
        states = jax.tree.unflatten(structure, arrays)
        states = eqx.tree_at(_key, states, replace_fn=jax.random.wrap_key_data)
        states, info = ensemble.train(rule, states, x, batch_sizes, mesh)
        states = eqx.tree_at(_key, states, replace_fn=jax.random.key_data)
        return jax.tree.leaves(states), jax.tree.leaves(info)

    batch_sizes = jax.ShapeDtypeStruct((sizes.steps,), jnp.int32)
    program = jax.export.export(jax.jit(train), platforms=[platform])
    return program(arrays, x, batch_sizes)


def _key(state: State) -> jax.Array:
    return state.key
