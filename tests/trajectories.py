"""Trajectories that estimates are made of: any, and stationary ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from nelc_jax import Trajectory, sample_chain

from . import reference


def short_trajectory(system, num_steps=40):
    """Any states will do: a gradient is a function of the trajectory.

    State 0 is never visited.
    """
    rng = np.random.default_rng(0)
    states = reference.latent_states(system)
    visits = rng.integers(1, len(states), num_steps)
    x = rng.random((num_steps, len(system.a))) < 0.5
    h = np.array([reference.field(system, x_t) for x_t in x])
    return Trajectory(
        jnp.asarray(x), jnp.asarray(states[visits], bool), jnp.asarray(h, float)
    )


def stationary_trajectories(system, num_chains=32, num_steps=2**15):
    """Chains of the library in a `random_system`, started from the exact law of x.

    Axes: chain, step; to be called in double precision.
    """
    assert jax.config.jax_enable_x64
    kind = system.kind if system.enumerate_up_to > 1 else "sampled"
    return _stationary_trajectories(kind, num_chains, num_steps)


@functools.cache
def _stationary_trajectories(kind, num_chains, num_steps):
    system = reference.random_system(kind)
    law = reference.visible_law(system)
    start = np.random.default_rng(0).choice(len(law), num_chains, p=law)
    x = jnp.asarray(reference.bit_rows(len(system.a))[start], bool)
    model = reference.to_model(system)

    @jax.jit
    @jax.vmap
    def sample(key, x):
        return sample_chain(model, key, x, num_steps)[1]

    return sample(jax.random.split(jax.random.key(0), num_chains), x)
