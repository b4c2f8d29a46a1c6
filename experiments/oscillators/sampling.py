"""Samples: by protocols, and by any force; and the limit of what a network can do."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command.errors import UserError
from nelc_jax import ensemble
from nelc_jax.oscillators import (
    AbstractNetwork,
    Generation,
    NormalMixture,
    Protocol,
    QuarticNetwork,
    drive,
    project,
    refine,
)


def draw_samples(
    generation: Generation,
    protocols: Protocol,
    key: jax.Array,
    count: int,
    substeps: int,
    run: Callable = drive,
):
    """`count` generated samples of every member, (members, count, n) by default.

    **Arguments:** `substeps` between two knots; `run`, `drive` or `drive_metered`,
    whose paths are then the result.

    **Raises:** `UserError` when the steps are too long for the forces.
    """
    keys = jax.random.split(key, len(protocols.times))
    drawn = _draw(run, count, substeps, protocols, keys, generation)
    drawn = jax.tree.map(np.asarray, drawn)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(drawn)):
        raise UserError(
            "the generated samples are not finite, the steps between knots are too "
            "long for the forces: give more --knots, or train for more --steps"
        )
    return drawn


@partial(jax.jit, static_argnums=(0, 1, 2))
def _draw(run, count, substeps, protocols, keys, generation):
    def member(protocol, key, generation):
        times = refine(protocol.times, substeps)
        num = protocol.potential.num_oscillators

        def one(sample_key):
            start, move = jax.random.split(sample_key)
            x = generation.bath.equilibrate(start, generation.trap_stiffness, num)
            return run(protocol, generation.bath, move, x, times)

        return jax.vmap(one)(jax.random.split(key, count))

    return ensemble.map_members(member, 2)(protocols, keys, generation)


def draw_by_force(
    network: AbstractNetwork,
    num: int,
    force_at: Callable,
    keys: jax.Array,
    substeps: int,
) -> jax.Array:
    """A sample for each of `keys` (N,), from the trap by a force of time and position.

    **Arguments:** `network`, whose bath, knots and duration are used; `num`
    coordinates; `force_at`, of a protocol time and position; `substeps` between two
    knots.
    """
    generation = network.generation
    times = refine(generation.protocol_time(network.knots), substeps)

    def one(key):
        start, move = jax.random.split(key)
        x = generation.bath.equilibrate(start, generation.trap_stiffness, num)
        normals = jax.random.normal(move, (times.shape[0] - 1, num))
        return generation.bath.euler_maruyama(force_at, normals, x, times)[-1]

    return jax.vmap(one)(keys)


def exact_force(
    generation: Generation, law: NormalMixture, time: jax.Array, x: jax.Array
) -> jax.Array:
    """The force at positions x (N, n) that undoes the noising of a law."""
    score = jax.grad(law.noised(generation.noising, time).log_density)
    return generation.reverse_force(x, jax.lax.map(score, x, batch_size=256))


@partial(jax.jit, static_argnums=(4, 5))
def limit_protocol(
    network: QuarticNetwork,
    law: NormalMixture,
    x: jax.Array,
    key: jax.Array,
    iterations: int,
    rounds: int,
) -> Protocol:
    """The exact force of a law at every knot, projected onto what a network can exert.

    **Arguments:** `law` of the data, and draws `x` (N, n) from it; `iterations` and
    `rounds` of `project`.
    """

    def at_knot(inputs):
        time, knot_key = inputs
        normals = jax.random.normal(knot_key, x.shape)
        times = jnp.full(x.shape[0], time)
        noised, _ = network.generation.noising.noise(normals, x, times)
        target = exact_force(network.generation, law, time, noised)
        return project(network.pairs, noised, target, iterations, rounds)

    keys = jax.random.split(key, network.knots.shape[0])
    times = network.generation.protocol_time(network.knots)
    return Protocol(times, jax.lax.map(at_knot, (network.knots, keys)))
