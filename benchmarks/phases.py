"""Where the time of a gradient step goes: its parts, each compiled alone."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.timing import seconds_of
from nelc_jax import chain, ensemble, noise, training
from nelc_jax.gradient import gradient_from_sums, support_of
from nelc_jax.model import state_logits
from nelc_jax.training import Config, State

ROUNDS = 20
"""Times that a part runs inside one timed call."""


def phase_seconds(
    config: Config, states: State, x: jax.Array, batch: int, mesh, repeats: int
) -> dict[str, float]:
    """Seconds a gradient step of all members, for the whole step and its parts.

    The parts do not add up to the step: compiled together, they share work.
    """

    def timed(part: Callable) -> float:
        def one(state, x):
            def body(state, _):
                # Every round sees another step's random numbers; nothing is hoisted.
                return eqx.tree_at(
                    lambda s: s.step, part(state, x), state.step + 1
                ), None

            return jax.lax.scan(body, state, None, length=ROUNDS)[0]

        run = jax.jit(ensemble.map_members(one, 1, mesh))
        return seconds_of(lambda: run(states, x), repeats) / ROUNDS

    def key_of(state):
        return jax.random.fold_in(state.key, state.step)

    def random_numbers(state, _):
        logits = state_logits(state.model)
        key = key_of(state)
        q = noise.thresholds(logits[0], noise.rounding(key, 0, logits.shape[-1]))

        def step(packed, t):
            drawn = noise.bernoulli_packed(noise.pixel_noise(key, t, len(q)), q)
            return packed ^ drawn, None

        start = noise.pack(state.x)
        packed, _ = jax.lax.scan(step, start, jnp.arange(config.chain_length))
        return eqx.tree_at(lambda s: s.x, state, noise.unpack(packed, len(q)))

    def whole_chain(state, _):
        x_end, trajectory = chain.sample_chain(
            state.model, key_of(state), state.x, config.chain_length
        )
        # The whole trajectory is wanted, so that none of it is optimised away.
        used = x_end ^ jnp.any(trajectory.x, axis=0) ^ jnp.isnan(trajectory.h).any()
        return eqx.tree_at(lambda s: s.x, state, used)

    def data_term(state, x):
        key = key_of(state)
        length = config.chain_length
        trajectory = chain.Trajectory(
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
        support = support_of(state.model, trajectory)
        sums = training.sum_batch(support, key, x, jnp.int32(batch))
        gradient = gradient_from_sums(
            state.model, trajectory, support, sums
        ).gradient
        return eqx.tree_at(
            lambda s: s.model.parameters,
            state,
            jax.tree.map(lambda p, g: p + 1e-9 * g, state.model.parameters, gradient),
        )

    def whole_step(state, x):
        return training.train_step(config, state, x, jnp.int32(batch))[0]

    return {
        "random numbers": timed(random_numbers),
        "chain": timed(whole_chain),
        "data term and gradient": timed(data_term),
        "whole step": timed(whole_step),
    }
