"""A belief network with one hidden layer and a free prior: the decoder, no chain.

    p(x) = sum_z prior(z) A[z, x],    A of eq. 8 and 10

What a latent cycle is without its backward kernel: in place of the p_bar that the chain
has, any law of the latent states. No model with the same decoder has a higher
likelihood. It is learned by the exact gradient, summed over latent states.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, Shaped

from .._bernoulli import bernoulli_normaliser
from .._checks import check_batches, check_points, checked
from ..estimators._moments import forward_moments, visible_bias
from ..estimators.base import Support
from ..latent import AbstractLatent
from ..model import Model, init_model, state_logits
from ..model import Parameters as Both
from ..training import AbstractRule, State, StepInfo, rmsprop
from ._parts import ascend, batch_sums, check_latent_of, check_rule_parts

__all__ = ["Belief", "BeliefNetwork", "Parameters"]


class Parameters(eqx.Module):
    """What training changes; the prior is the softmax of `log_prior`."""

    w: Float[Array, "D L"]
    a: Float[Array, " D"]
    log_prior: Float[Array, " S"]


class Belief(eqx.Module):
    """Parameters, the mean of the data, and the latent space."""

    parameters: Parameters
    x_mean: Float[Array, " D"]
    latent: AbstractLatent


class BeliefNetwork(AbstractRule):
    """Ascent of the exact likelihood of a decoder with a free prior.

    **Arguments:** `latent`, enumerable; `optimizer`, any of optax's.

    **Raises:** `TypeError` for anything else.
    """

    latent: AbstractLatent = eqx.field(static=True)
    optimizer: optax.GradientTransformation = eqx.field(static=True, default=rmsprop())

    def __check_init__(self):
        check_rule_parts(self, latent=AbstractLatent)

    @checked
    def init(self, key: Key[Array, ""], x: Shaped[Array, "N D"]) -> State:
        """The state before the first step: w and a of `init_model`, a uniform prior.

        **Raises:** `ValueError` when `x` has no points or is known not to be of zeros
        and ones.
        """
        model_key, _, train_key = jax.random.split(key, 3)
        model = init_model(model_key, self.latent, x)
        p = model.parameters
        uniform = jnp.zeros(self.latent.num_states, p.w.dtype)
        parameters = Parameters(p.w, p.a, uniform)
        return State(
            model=Belief(parameters, model.x_mean, self.latent),
            optimizer=self.optimizer.init(parameters),  # pyright: ignore
            # There is no chain.
            x=jnp.zeros(model.x_mean.shape, bool),
            key=train_key,
            step=jnp.int32(0),
        )

    @checked
    def step(
        self, state: State, x: Shaped[Array, "N D"], batch_size: Int[Array, ""]
    ) -> tuple[State, StepInfo]:
        """One gradient step; with r of eq. 16, the slope of ln prior(z) is r - prior.

        The mini-batch is drawn with replacement from the data.

        **Raises:** `ValueError` when `x` has no points, or for a known `batch_size`
        below 1.
        """
        check_points("x", x)
        check_batches("batch_size", batch_size)
        check_latent_of(self, state.model.latent)
        key = jax.random.fold_in(state.key, state.step)
        logits, prior = state_logits(self.model(state)), self.occupancy(state)
        states = jnp.arange(self.latent.num_states)
        support = Support(logits, bernoulli_normaliser(logits), prior, states)
        sums = batch_sums(support, key, x, batch_size)
        moments = forward_moments(support, sums)
        gradient = Parameters(
            w=self.latent.sum_states(moments).T,
            a=visible_bias(self.latent, jnp.sum(moments, axis=0)),
            log_prior=sums.r - prior,
        )
        moved, optimizer = ascend(
            self.optimizer, state, gradient, state.model.parameters
        )
        return State(
            model=Belief(moved, state.model.x_mean, self.latent),
            optimizer=optimizer,
            x=state.x,
            key=state.key,
            step=state.step + 1,
        ), StepInfo(sums.log_likelihood, jnp.isfinite(sums.log_likelihood))

    def model(self, state: State) -> Model:
        """The decoder, and a backward kernel that does not know x: w_bar = a_bar = 0.

        p(z|x) has no form that a `Model` could have. The likelihood is that of this
        decoder with `occupancy`.
        """
        p = state.model.parameters
        nothing = jnp.zeros_like(p.w)
        both = Both(p.w, p.a, nothing.T, nothing[0])
        return Model(both, state.model.x_mean, state.model.latent)

    def occupancy(self, state: State) -> Float[Array, " S"]:
        """The prior."""
        return jax.nn.softmax(state.model.parameters.log_prior)
