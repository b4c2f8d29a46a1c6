"""Ensembles: independent members, one leading axis on every array of a `State`.

Member i has the key `fold_in(key, i)`, and nothing else enters its random numbers: it
is the same member in an ensemble of any size, or alone.
"""

import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from . import training
from .latent import Latent
from .training import Config, State, StepInfo


def member_keys(
    key: PRNGKeyArray, members: Int[Array, " M"]
) -> PRNGKeyArray:
    """The members' keys, `fold_in(key, i)` for each number i in `members`."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, members)


def init(
    key: PRNGKeyArray,
    members: Int[Array, " M"],
    latent: Latent,
    x: Shaped[Array, "N D"],
    config: Config | None = None,
    learning_rate: Float[Array, " M"] | float = 0.1,
) -> State:
    """The members' states before the first step (`training.init`, App. A1).

    **Arguments:** one typed `key` for the ensemble; `members`, their numbers;
    `latent`; data `x`, shared; `learning_rate`, one a member or one for all.
    """
    rates = jax.numpy.broadcast_to(
        jax.numpy.asarray(learning_rate, jax.numpy.float32), members.shape
    )

    def one(member_key, rate):
        return training.init(member_key, latent, x, config, rate)

    return jax.vmap(one)(member_keys(key, members), rates)


def train(
    config: Config,
    states: State,
    x: Shaped[Array, "N D"],
    batch_sizes: Int[Array, " K"],
    batch_capacity: int,
) -> tuple[State, StepInfo]:
    """K gradient steps of every member (`training.train`); infos have axes (M, K)."""

    def one(state):
        return training.train(config, state, x, batch_sizes, batch_capacity)

    return jax.vmap(one)(states)
