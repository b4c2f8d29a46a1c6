"""A rule by which some members go non-finite, for good reasons or by way of a test."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp

from nelc_jax import Cycles


class Breaking(Cycles):
    """`Cycles` that breaks a share of the members at one size of the mini-batches.

    Which ones, their keys decide. The parameters go non-finite by the step, whose
    `finite` still says that all was well.
    """

    share: float = eqx.field(static=True, default=0.5)
    size: int = eqx.field(static=True, default=8)

    def step(self, state, x, batch_size):
        """The step of `Cycles`, or one to parameters that are not finite."""
        new, info = super().step(state, x, batch_size)
        chance = jax.random.uniform(jax.random.fold_in(state.key, 10**6))
        breaks = (chance < self.share) & (batch_size == self.size)
        parameters = jax.tree.map(
            lambda leaf: jnp.where(breaks, jnp.inf, leaf), new.model.parameters
        )
        return replace(new, model=replace(new.model, parameters=parameters)), info
