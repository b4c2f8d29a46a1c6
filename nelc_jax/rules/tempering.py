"""The negative phase of an RBM from chains at many temperatures that swap states.

Parallel tempering (Desjardins et al., AISTATS 2010): chains at the inverse temperatures
0 = beta_1 < ... < beta_K = 1 of `ais.tempered`, from independent pixels to the RBM. One
sweep is a double step of each, and then an exchange of the states of neighbours with
the probability

    min(1, f_k(x_{k+1}) f_{k+1}(x_k) / [f_k(x_k) f_{k+1}(x_{k+1})]),  f_k = Z_k p_k,

which leaves the product of the laws p_k as it is. z is summed out in f.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from .._checks import check_count, check_settings, checked
from .._loops import scan
from ..baselines import ais
from ..baselines import rbm as law
from ..baselines.rbm import Moments, Rbm
from ..model import backward_field
from ._phases import visited_moments
from .pcd import AbstractNegativePhase

__all__ = ["TemperedChains"]


class TemperedChains(AbstractNegativePhase):
    """The states at beta = 1 of C sets of chains at K evenly spaced temperatures.

    K C double steps a sweep, and T sweeps a gradient step.

    **Raises:** `ValueError` for a `num_temperatures`, K, below 2, or a `num_chains`, C,
    or a `chain_length`, T, below 1.
    """

    num_temperatures: int = eqx.field(static=True, default=8)
    num_chains: int = eqx.field(static=True, default=6)
    chain_length: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        check_settings(self)
        check_count("num_temperatures", self.num_temperatures, 2, "temperatures")
        check_count("num_chains", self.num_chains, 1, "chain")
        check_count("chain_length", self.chain_length, 1, "sweep")

    @property
    def chains(self) -> tuple[int, ...]:
        """(K, C)."""
        return (self.num_temperatures, self.num_chains)

    @checked
    def moments(
        self, rbm: Rbm, key: Key[Array, ""], x: Bool[Array, "K C D"]
    ) -> tuple[Bool[Array, "K C D"], Moments]:
        """Moments of the latent states visited at beta = 1."""
        model = law.to_model(rbm)

        def step(x, index):
            z, x_next = sweep(rbm, jax.random.fold_in(key, index), x)
            return x_next, (backward_field(model, x[-1]), z[-1])

        x_end, seen = scan(step, x, jnp.arange(self.chain_length))
        h, z = (array.reshape(-1, array.shape[-1]) for array in seen)
        return x_end, visited_moments(rbm, h, z)


@checked
def sweep(
    rbm: Rbm, key: Key[Array, ""], x: Bool[Array, "K C D"]
) -> tuple[Bool[Array, "K C L"], Bool[Array, "K C D"]]:
    """A double step of all chains, and an exchange of every other pair of neighbours.

    **Returns:** the latent states drawn, and the visible ones after the exchange.
    """
    step_key, pair_key, swap_key = jax.random.split(key, 3)
    num_temperatures, num_chains, _ = x.shape
    betas = jnp.linspace(0, 1, num_temperatures, dtype=rbm.x_mean.dtype)
    bias = ais.data_bias(rbm)

    def double_step(beta, key, x):
        return law.double_step(ais.tempered(rbm, beta, bias), key, x)

    def log_weight(beta, x):
        return law.log_weight(ais.tempered(rbm, beta, bias), x)

    keys = jax.random.split(step_key, num_temperatures)
    z, x = jax.vmap(double_step)(betas, keys, x)
    own = jax.vmap(log_weight)(betas, x)
    colder = jax.vmap(log_weight)(betas[1:], x[:-1])
    hotter = jax.vmap(log_weight)(betas[:-1], x[1:])
    gain = colder + hotter - own[:-1] - own[1:]
    uniforms = jax.random.uniform(swap_key, gain.shape, gain.dtype)
    # Pairs that share no chain: those that begin at even or at odd places.
    first = jax.random.randint(pair_key, (), 0, 2)
    chosen = jnp.arange(num_temperatures - 1) % 2 == first
    swapped = ((uniforms < jnp.exp(gain)) & chosen[:, None]).astype(jnp.int32)
    none = jnp.zeros((1, num_chains), jnp.int32)
    level = jnp.arange(num_temperatures, dtype=jnp.int32)
    place = jnp.broadcast_to(level[:, None], x.shape[:2])
    come_from = (
        place + jnp.concatenate([swapped, none]) - jnp.concatenate([none, swapped])
    )
    return z, jnp.take_along_axis(x, come_from[..., None], axis=0)
