"""The rules that an ensemble trains by: the paper's, its controls, the equilibrium."""

from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nelc_jax import training
from nelc_jax.baselines import mixture, pcd, rbm
from nelc_jax.latent import Latent
from nelc_jax.model import Model

SLOW = 0.01
"""The share of the learning rate for w_bar and a_bar in the control "slow"."""

RESTARTS, EM_STEPS = 24, 200
"""Starts and steps of EM for the mixture, the ceiling of every one-hot model."""


class Rule(Protocol):
    """Static and hashable; its functions are pure and take one member's state.

    A state has the field `x`, the end of its chain.
    """

    @property
    def latent(self) -> Latent:
        """The latent space of the models."""
        ...

    def init(self, key, x, learning_rate) -> Any:
        """The state before the first step."""
        ...

    def train(self, state, x, batch_sizes) -> tuple[Any, training.StepInfo]:
        """A gradient step for each batch size."""
        ...

    def model(self, state) -> Model:
        """The two conditionals that the state stands for."""
        ...

    def occupancy(self, state) -> Float[Array, " S"] | None:
        """p_bar where a formula has it, else None."""
        ...


@dataclass(frozen=True)
class Cycles:
    """The paper's model, trained by its two-step rule."""

    latent: Latent
    config: training.Config

    def init(self, key, x, learning_rate):
        """`training.init`."""
        return training.init(key, self.latent, x, self.config, learning_rate)

    def train(self, state, x, batch_sizes):
        """`training.train`."""
        return training.train(self.config, state, x, batch_sizes)

    def model(self, state):
        """The model itself."""
        return state.model

    def occupancy(self, state):
        """Only the latent kernel has it."""
        return None


@dataclass(frozen=True)
class Controlled:
    """The paper's model with a part of its training taken out.

    `control` is `"frozen"`: w of the best mixture by EM from the start, never changed,
    so that only w_bar and a_bar learn; or `"slow"`: `SLOW` times the rate for these.
    """

    cycles: Cycles
    control: str

    @property
    def latent(self) -> Latent:
        """That of the model."""
        return self.cycles.latent

    def init(self, key, x, learning_rate):
        """`training.init`, with other rates and, if frozen, another w."""
        state = self.cycles.init(key, x, learning_rate)
        rate = jnp.asarray(learning_rate, state.model.x_mean.dtype)
        if self.control == "slow":
            rates = training.Rates(rate, rate, SLOW * rate, SLOW * rate)
        else:
            rates = training.Rates(0 * rate, 0 * rate, rate, rate)
            # The same for every member: neither key nor member enters.
            found, _ = mixture.best(
                *mixture.fit_restarts(
                    jax.random.key(0), self.latent.num_units, x, RESTARTS, EM_STEPS
                )
            )
            state = eqx.tree_at(lambda s: s.model.parameters.w, state, found.logits.T)
        return eqx.tree_at(lambda s: s.learning_rate, state, rates)

    def train(self, state, x, batch_sizes):
        """`training.train`."""
        return self.cycles.train(state, x, batch_sizes)

    def model(self, state):
        """The model itself."""
        return state.model

    def occupancy(self, state):
        """Only the latent kernel has it."""
        return None


@dataclass(frozen=True)
class Equilibrium:
    """The RBM, trained by persistent contrastive divergence."""

    latent: Latent
    config: pcd.Config

    def init(self, key, x, learning_rate):
        """`pcd.init`."""
        return pcd.init(key, self.latent, x, self.config, learning_rate)

    def train(self, state, x, batch_sizes):
        """`pcd.train`."""
        return pcd.train(self.config, state, x, batch_sizes)

    def model(self, state):
        """Both conditionals of the joint law."""
        return rbm.to_model(state.rbm)

    def occupancy(self, state):
        """In closed form: the kernel of a trained RBM is reducible in float32."""
        return rbm.occupancy(state.rbm)
