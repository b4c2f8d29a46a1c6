"""The paper's rule: ascent of the likelihood of a nonequilibrium latent cycle."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, Shaped

from .._checks import check_batches, check_points, checked
from .._minibatch import sum_chunks
from ..estimators import AbstractEstimator, Gradient, TrajectoryGradient
from ..estimators.base import DataSums
from ..latent import AbstractLatent
from ..model import Model, init_model
from ..training import AbstractRule, State, StepInfo, rmsprop
from ._parts import ascend, check_latent_of, check_rule_parts

__all__ = ["Cycles"]


class Cycles(AbstractRule):
    """The model of Sect. II, trained on an estimate of its gradient (Sect. III, IV A).

    **Arguments:** `latent`; `estimator` of the gradient (default: the paper's, along a
    chain of 48 double steps); `optimizer`, any of optax's that needs the
    gradient alone (default: the paper's RMSprop). Optax's are equal to themselves only:
    a program is compiled for each.

    **Raises:** `TypeError` for anything else.
    """

    latent: AbstractLatent = eqx.field(static=True)
    estimator: AbstractEstimator = eqx.field(static=True, default=TrajectoryGradient())
    optimizer: optax.GradientTransformation = eqx.field(static=True, default=rmsprop())

    def __check_init__(self):
        check_rule_parts(self, latent=AbstractLatent, estimator=AbstractEstimator)

    @checked
    def init(self, key: Key[Array, ""], x: Shaped[Array, "N D"]) -> State:
        """The state before the first step: App. A1 weights, chain at the data mean.

        The chain starts from independent pixels with the means of the data.

        **Raises:** `ValueError` when `x` has no points or is known not to be of zeros
        and ones.
        """
        model_key, chain_key, train_key = jax.random.split(key, 3)
        model = init_model(model_key, self.latent, x)
        return State(
            model=model,
            optimizer=self.optimizer.init(model.parameters),  # pyright: ignore
            x=jax.random.bernoulli(chain_key, model.x_mean),
            key=train_key,
            step=jnp.int32(0),
        )

    @checked
    def step(
        self, state: State, x: Shaped[Array, "N D"], batch_size: Int[Array, ""]
    ) -> tuple[State, StepInfo]:
        """One gradient step: sample, eq. 16a-d and 17 on a mini-batch, optimiser.

        The mini-batch is drawn with replacement from the data.

        **Raises:** `ValueError` when `x` has no points, or for a known `batch_size`
        below 1.
        """
        check_points("x", x)
        check_batches("batch_size", batch_size)
        model = state.model
        check_latent_of(self, model.latent)
        key = jax.random.fold_in(state.key, state.step)
        x_end, sample = self.estimator.sample(model, key, state.x)
        found = self.gradient(model, key, sample, x, batch_size)
        parameters, optimizer = ascend(
            self.optimizer, state, found.gradient, model.parameters
        )
        return State(
            model=Model(parameters, model.x_mean, model.latent),
            optimizer=optimizer,
            x=x_end,
            key=state.key,
            step=state.step + 1,
        ), StepInfo(found.log_likelihood, found.finite)

    @checked
    def gradient(
        self,
        model: Model,
        key: Key[Array, ""],
        sample: Any,
        x: Shaped[Array, "N D"],
        batch_size: Int[Array, ""],
    ) -> Gradient:
        """The estimator's gradient from its `sample`, on the mini-batch of a `key`.

        The sums over the mini-batch are added up over chunks, so that one program
        serves every `batch_size`.
        """
        support = self.estimator.support(model, sample)
        zeros = jax.tree.map(
            jnp.zeros_like,
            DataSums(support.logits, support.weights, support.weights[0]),
        )
        sums = sum_chunks(support.sums, zeros, key, x, batch_size)
        return self.estimator.gradient(model, sample, support, sums)
