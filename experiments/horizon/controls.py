"""Controls: the paper's model with a part of its training taken out."""

import equinox as eqx
import jax
import optax

from experiments.training.ceiling import best_mixture
from experiments.training.settings import Settings
from nelc_jax import Cycles
from nelc_jax.training import State, parameters_named

SLOW = 0.01
"""The share of the learning rate for w_bar and a_bar in the control "slow"."""


class Frozen(Cycles):
    """Only w_bar and a_bar learn; w is that of the best mixture by EM."""

    def init(self, key: jax.Array, x: jax.Array) -> State:
        """The state of `Cycles`, with w of the mixture."""
        state = super().init(key, x)
        # The same for every member: neither key nor member enters.
        w = best_mixture(x, self.latent.num_units).logits.T
        return eqx.tree_at(lambda s: s.model.parameters.w, state, w)


def frozen(settings: Settings) -> Frozen:
    """The rule of the settings with w and a that never change."""
    rule = settings.cycles()
    fixed = optax.masked(optax.set_to_zero(), parameters_named("w", "a"))
    return Frozen(rule.latent, rule.estimator, optax.chain(rule.optimizer, fixed))


def slow(settings: Settings) -> Cycles:
    """The rule of the settings with `SLOW` times the rate for w_bar and a_bar."""
    rule = settings.cycles()
    share = optax.masked(optax.scale(SLOW), parameters_named("w_bar", "a_bar"))
    return Cycles(rule.latent, rule.estimator, optax.chain(rule.optimizer, share))
