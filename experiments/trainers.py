"""What an ensemble trains: the model of the paper, or its equilibrium limit."""

from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Array, Float

from nelc_jax import training
from nelc_jax.baselines import pcd, rbm
from nelc_jax.latent import Latent
from nelc_jax.model import Model


class Trainer(Protocol):
    """Static and hashable; its functions are pure and take one member's state.

    A state has the fields `x`, the end of its chain, and `learning_rate`.
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
