"""The negative phase of an RBM from many persistent chains (Tieleman, ICML 2008)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from .._checks import check_count, check_settings, checked
from .._loops import scan
from ..baselines import rbm as law
from ..baselines.rbm import Moments, Rbm
from ..model import backward_field
from ._phases import visited_moments
from .pcd import AbstractNegativePhase

__all__ = ["ManyChains"]


class ManyChains(AbstractNegativePhase):
    """The states of C persistent chains, each T double steps long a gradient step.

    **Raises:** `ValueError` for a `num_chains`, C, or a `chain_length`, T, below 1.
    """

    num_chains: int = eqx.field(static=True)
    chain_length: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        check_settings(self)
        check_count("num_chains", self.num_chains, 1, "chain")
        check_count("chain_length", self.chain_length, 1, "double step")

    @property
    def chains(self) -> tuple[int, ...]:
        """(C,)."""
        return (self.num_chains,)

    @checked
    def moments(
        self, rbm: Rbm, key: Key[Array, ""], x: Bool[Array, "C D"]
    ) -> tuple[Bool[Array, "C D"], Moments]:
        """Moments of the latent states visited by all chains."""
        model = law.to_model(rbm)

        def step(x, index):
            z, x_next = law.double_step(rbm, jax.random.fold_in(key, index), x)
            return x_next, (backward_field(model, x), z)

        x_end, seen = scan(step, x, jnp.arange(self.chain_length))
        h, z = (array.reshape(-1, array.shape[-1]) for array in seen)
        return x_end, visited_moments(rbm, h, z)
