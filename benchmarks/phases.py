"""Where the time of a gradient step goes: its parts, each compiled alone."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.timing import seconds_of
from nelc_jax import Cycles, State, Trajectory, ensemble
from nelc_jax._random import draw_packed, pack, pixel_table, unpack
from nelc_jax.model import state_logits

ROUNDS = 20
"""Times that a part runs inside one timed call."""


def phase_seconds(
    rule: Cycles, states: State, x: jax.Array, batch: int, repeats: int
) -> dict[str, float]:
    """Seconds a gradient step of all members, for the whole step and its parts.

    The parts do not add up to the step: compiled together, they share work.
    """
    estimator = rule.estimator
    length = estimator.chain_length

    def timed(part: Callable) -> float:
        def one(state, x):
            def body(state, _):
                # Every round sees another step's random numbers; nothing is hoisted.
                return eqx.tree_at(
                    lambda s: s.step, part(state, x), state.step + 1
                ), None

            return jax.lax.scan(body, state, None, length=ROUNDS)[0]

        run = jax.jit(ensemble.map_members(one, 1))
        return seconds_of(lambda: run(states, x), repeats) / ROUNDS

    def key_of(state):
        return jax.random.fold_in(state.key, state.step)

    def random_numbers(state, _):
        key = key_of(state)
        row = pixel_table(key, 0, state_logits(state.model)[0])

        def step(packed, t):
            return packed ^ draw_packed(key, t, row), None

        packed, _ = jax.lax.scan(step, pack(state.x), jnp.arange(length))
        return eqx.tree_at(lambda s: s.x, state, unpack(packed, len(row)))

    def whole_chain(state, _):
        x_end, trajectory = estimator.sample(state.model, key_of(state), state.x)
        # The whole trajectory is wanted, so that none of it is optimised away.
        used = x_end ^ jnp.any(trajectory.x, axis=0) ^ jnp.isnan(trajectory.h).any()
        return eqx.tree_at(lambda s: s.x, state, used)

    def data_term(state, x):
        trajectory = Trajectory(
            x=x[:length],
            z=jnp.roll(
                state.model.latent.states()[
                    jnp.arange(length) % state.model.latent.num_states
                ],
                state.step,
                axis=0,
            ),
            h=jnp.zeros((length, state.model.latent.num_units)),
        )
        gradient = rule.gradient(
            state.model, key_of(state), trajectory, x, jnp.int32(batch)
        ).gradient
        return eqx.tree_at(
            lambda s: s.model.parameters,
            state,
            jax.tree.map(lambda p, g: p + 1e-9 * g, state.model.parameters, gradient),
        )

    def whole_step(state, x):
        return rule.step(state, x, jnp.int32(batch))[0]

    return {
        "random numbers": timed(random_numbers),
        "chain": timed(whole_chain),
        "data term and gradient": timed(data_term),
        "whole step": timed(whole_step),
    }
