"""The paper's rule: ascent of the likelihood of a nonequilibrium latent cycle."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, Shaped

from .._checks import check_batches, check_points, checked
from ..estimators import AbstractEstimator, TrajectoryGradient
from ..estimators.base import DataSums, data_sums
from ..latent import AbstractLatent
from ..minibatch import sum_chunks
from ..model import Model, init_model
from ..training import AbstractRule, State, StepInfo, ascend, rmsprop


class Cycles(AbstractRule):
    """The model of Sect. II, trained on an estimate of its gradient (Sect. III, IV A).

    **Arguments:** `latent`; `estimator` of the gradient (default: the paper's, along a
    chain of 48 double steps); `optimizer`, any of optax's (default: the paper's
    RMSprop).
    """

    latent: AbstractLatent = eqx.field(static=True)
    estimator: AbstractEstimator = eqx.field(static=True, default=TrajectoryGradient())
    optimizer: optax.GradientTransformation = eqx.field(static=True, default=rmsprop())

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
        model, estimator = state.model, self.estimator
        key = jax.random.fold_in(state.key, state.step)
        x_end, sample = estimator.sample(model, key, state.x)
        support = estimator.support(model, sample)
        zeros = jax.tree.map(
            jnp.zeros_like,
            DataSums(support.logits, support.weights, support.weights[0]),
        )
        sums = sum_chunks(
            lambda points, weights: data_sums(support, points, weights),
            zeros,
            key,
            x,
            batch_size,
        )
        found = estimator.gradient(model, sample, support, sums)
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
