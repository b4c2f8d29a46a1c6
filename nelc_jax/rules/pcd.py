"""The rule of the RBM: persistent contrastive divergence, or the exact gradient.

The counterpart of `Cycles`: the same start, chain, mini-batches and optimisers, and
random numbers that depend on the member's key alone. The negative phase is an object,
so that another one is one class.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from .._bernoulli import bernoulli_normaliser
from .._checks import (
    check_batches,
    check_count,
    check_points,
    check_settings,
    checked,
)
from .._linear import contract
from .._loops import vary_with
from .._minibatch import sum_chunks
from ..baselines import rbm as law
from ..baselines.rbm import Moments, Parameters, Rbm
from ..chain import sample_chain
from ..latent import AbstractLatent
from ..model import Model, init_model
from ..training import AbstractRule, State, StepInfo, parameters_named, rmsprop
from ._parts import ascend, check_latent_of, check_rule_parts
from ._phases import (
    coordinates,
    data_moments,
    from_coordinates,
    log_offset,
    phase_gradient,
    visited_moments,
)

__all__ = ["AbstractNegativePhase", "ExactPhase", "Pcd", "PersistentChain"]


class AbstractNegativePhase(eqx.Module):
    """The law of (x, z) in the negative phase; fields are static settings."""

    @property
    def chains(self) -> tuple[int, ...]:
        """The shape of the persistent chains: one."""
        return ()

    @abstractmethod
    def moments(
        self, rbm: Rbm, key: Key[Array, ""], x: Bool[Array, "*c D"]
    ) -> tuple[Bool[Array, "*c D"], Moments]:
        """The new ends of the persistent chains at x, and the moments of the model."""


class PersistentChain(AbstractNegativePhase):
    """The occupancy of a persistent chain of T double steps a gradient step.

    **Raises:** `ValueError` for a `chain_length`, T, below 1.
    """

    chain_length: int = eqx.field(static=True, default=48)

    def __check_init__(self):
        check_settings(self)
        check_count("chain_length", self.chain_length, 1, "double step")

    @checked
    def moments(
        self, rbm: Rbm, key: Key[Array, ""], x: Bool[Array, " D"]
    ) -> tuple[Bool[Array, " D"], Moments]:
        """Moments of the visited latent states."""
        model = law.to_model(rbm)
        x_end, trajectory = sample_chain(model, key, x, self.chain_length)
        return x_end, visited_moments(rbm, trajectory.h, trajectory.z)


class ExactPhase(AbstractNegativePhase):
    """The model's own law, summed over latent states that can be enumerated."""

    @checked
    def moments(
        self, rbm: Rbm, key: Key[Array, ""], x: Bool[Array, " D"]
    ) -> tuple[Bool[Array, " D"], Moments]:
        """Moments under p_bar; x stays."""
        return x, law.latent_moments(rbm, rbm.latent.states(), law.occupancy(rbm))


class Sums(eqx.Module):
    """The positive phase, and the mean of ln (Z p(x)) over a mini-batch in nats."""

    moments: Moments
    log_weight: Float[Array, ""]


class Pcd(AbstractRule):
    """The RBM, trained by its two phases.

    **Arguments:** `latent`, of a Boltzmann law; `negative`, the negative phase;
    `optimizer`, any of optax's; `log_weight_rate`, the share of its updates for the log
    weights of one-hot states (`coordinates`). Between well separated states a
    reversible chain hardly moves, its occupancy is far from p_bar for thousands of
    steps, and a faster rate follows it (docs/baselines.md).

    **Raises:** `ValueError` for a `latent` that no RBM has, or a share that is not
    positive.
    """

    latent: AbstractLatent = eqx.field(static=True)
    negative: AbstractNegativePhase = eqx.field(static=True, default=PersistentChain())
    optimizer: optax.GradientTransformation = eqx.field(static=True, default=rmsprop())
    log_weight_rate: float = eqx.field(static=True, default=0.01)

    def __check_init__(self):
        check_rule_parts(self, latent=AbstractLatent, negative=AbstractNegativePhase)
        check_settings(self)
        law.check_latent(self.latent)
        if not self.log_weight_rate > 0:
            raise ValueError(
                f"log_weight_rate={self.log_weight_rate}: expected a positive number"
            )

    @checked
    def init(self, key: Key[Array, ""], x: Shaped[Array, "N D"]) -> State:
        """The state before the first step: w and a of `init_model`, chains at the mean.

        a_bar makes p_bar uniform over one-hot states, and a Bernoulli unit as likely on
        as off while the others are off.

        **Raises:** `ValueError` when `x` has no points or is known not to be of zeros
        and ones.
        """
        model_key, chain_key, train_key = jax.random.split(key, 3)
        model = init_model(model_key, self.latent, x)
        w, a = model.parameters.w, model.parameters.a
        uniform = -log_offset(w, a, model.x_mean)
        if not self.latent.absorbs_visible_bias:
            uniform = uniform + bernoulli_normaliser(a)
        rbm = Rbm(Parameters(w, a, uniform), model.x_mean, self.latent)
        shape = (*self.negative.chains, len(model.x_mean))
        return State(
            model=rbm,
            optimizer=self._optimizer().init(rbm.parameters),  # pyright: ignore
            x=jax.random.bernoulli(chain_key, jnp.broadcast_to(model.x_mean, shape)),
            key=train_key,
            step=jnp.int32(0),
        )

    @checked
    def step(
        self, state: State, x: Shaped[Array, "N D"], batch_size: Int[Array, ""]
    ) -> tuple[State, StepInfo]:
        """One gradient step in `coordinates`: positive minus negative phase.

        The mini-batch is drawn with replacement from the data.

        **Returns:** the next state and a `StepInfo`, whose likelihood is exact on the
        mini-batch, and nan for latent spaces that are not enumerable.

        **Raises:** `ValueError` for the exact negative phase of such a space, when `x`
        has no points, or for a known `batch_size` below 1.
        """
        check_points("x", x)
        check_batches("batch_size", batch_size)
        check_latent_of(self, state.model.latent)
        rbm, key = state.model, jax.random.fold_in(state.key, state.step)
        x_end, negative = self.negative.moments(rbm, key, state.x)
        sums = _sum_batch(rbm, key, x, batch_size)
        gradient = phase_gradient(rbm, sums.moments, negative)

        position = vary_with(coordinates(rbm), gradient)
        _, pull_back = jax.vjp(lambda c: from_coordinates(rbm, c).parameters, position)
        (slope,) = pull_back(gradient)
        moved, optimizer = ascend(self._optimizer(), state, slope, position)

        if not rbm.latent.enumerable:
            log_likelihood = jnp.full_like(sums.log_weight, jnp.nan)
        else:
            log_likelihood = sums.log_weight - law.log_partition(rbm)
        finite = jax.tree.map(lambda leaf: jnp.all(jnp.isfinite(leaf)), gradient)
        return State(
            model=from_coordinates(rbm, moved),
            optimizer=optimizer,
            x=x_end,
            key=state.key,
            step=state.step + 1,
        ), StepInfo(log_likelihood, jnp.all(jnp.stack(jax.tree.leaves(finite))))

    def model(self, state: State) -> Model:
        """Both conditionals of the joint law."""
        return law.to_model(state.model)

    def occupancy(self, state: State) -> Float[Array, " S"]:
        """In closed form: the kernel of a trained RBM is reducible in float32."""
        return law.occupancy(state.model)

    def _optimizer(self) -> optax.GradientTransformation:
        """The optimiser, with its share for the log weights."""
        if not self.latent.absorbs_visible_bias:
            return self.optimizer
        share = optax.scale(self.log_weight_rate)
        slow = optax.masked(share, parameters_named("a_bar"))
        return optax.chain(self.optimizer, slow)


def _sum_batch(rbm: Rbm, key: Array, x: Array, batch_size: Array) -> Sums:
    def sums_of(points, weights):
        return Sums(
            data_moments(rbm, points, weights),
            contract(weights, law.log_weight(rbm, points)),
        )

    p = rbm.parameters
    zeros = jax.tree.map(
        jnp.zeros_like, Sums(Moments(p.w, p.a, p.a_bar), rbm.x_mean[0])
    )
    return sum_chunks(sums_of, zeros, key, x, batch_size)
