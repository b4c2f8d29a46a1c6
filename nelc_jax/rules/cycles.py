"""The paper's rule: ascent of the likelihood of a nonequilibrium latent cycle."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, Key, Shaped

from .._checks import check_batches, check_points, checked
from .._loops import platform_dependent
from .._native import calls
from ..estimators import AbstractEstimator, Gradient, TrajectoryGradient
from ..latent import AbstractLatent
from ..model import Model, Parameters, init_model
from ..training import AbstractRule, State, StepInfo, rmsprop, rmsprop_settings
from ._parts import ascend, batch_sums, check_latent_of, check_rule_parts

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
        x_end, found = self._sampled_gradient(model, key, state.x, x, batch_size)
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
    def steps(
        self, state: State, x: Shaped[Array, "N D"], batch_sizes: Int[Array, " K"]
    ) -> tuple[State, StepInfo]:
        """K calls of `step`; on a CPU the paper's rule takes them all at once.

        **Raises:** as `step`.
        """
        check_points("x", x)
        check_batches("batch_sizes", batch_sizes)
        check_latent_of(self, state.model.latent)
        settings = rmsprop_settings(self.optimizer)
        estimator = self._native(state.model, x)
        if settings is None or estimator is None or not len(batch_sizes):
            return super().steps(state, x, batch_sizes)
        native = partial(_native_steps, estimator, settings)
        return platform_dependent(
            state,
            x,
            batch_sizes,
            cpu=calls.in_place_of(super().steps, native),
            default=super().steps,
        )

    def runs_natively(self, model: Model, x: Shaped[Array, "N D"]) -> bool:
        """Whether `steps` of such a model on such data are done in C on a CPU."""
        settings = rmsprop_settings(self.optimizer)
        return settings is not None and self._native(model, x) is not None

    def _native(self, model: Model, x: Shaped[Array, "N D"]) -> Any:
        """The estimator, where the C of `_native` covers it, the model and the data."""
        estimator = self.estimator
        # Not for a subclass, which may have replaced any method.
        covered = (
            type(self) is Cycles
            and type(estimator) is TrajectoryGradient
            and estimator.horizon == 1
            and not estimator.parallel
            and calls.covers(model)
            and calls.covers_points(x)
        )
        return estimator if covered else None

    def _sampled_gradient(
        self,
        model: Model,
        key: Key[Array, ""],
        start: Shaped[Array, " D"],
        x: Shaped[Array, "N D"],
        batch_size: Int[Array, ""],
    ) -> tuple[Bool[Array, " D"], Gradient]:
        """The new end of the persistent chain at `start`, and the gradient."""

        by_xla = partial(_gradient_by_xla, self)
        arguments = (model, key, start, x, batch_size)
        estimator = self._native(model, x)
        if estimator is None:
            return by_xla(*arguments)
        native = partial(_native_gradient, estimator)
        return platform_dependent(
            *arguments, cpu=calls.in_place_of(by_xla, native), default=by_xla
        )

    @checked
    def gradient(
        self,
        model: Model,
        key: Key[Array, ""],
        sample: Any,
        x: Shaped[Array, "N D"],
        batch_size: Int[Array, ""],
    ) -> Gradient:
        """The estimator's gradient from its `sample`, on the mini-batch of a `key`."""
        support = self.estimator.support(model, sample)
        sums = batch_sums(support, key, x, batch_size)
        return self.estimator.gradient(model, sample, support, sums)


# A function of its own for JAX: traced once for all branches and loops it stands in.
@partial(jax.jit, static_argnums=0)
def _gradient_by_xla(
    rule: Cycles,
    model: Model,
    key: Key[Array, ""],
    start: Shaped[Array, " D"],
    x: Shaped[Array, "N D"],
    batch_size: Int[Array, ""],
) -> tuple[Bool[Array, " D"], Gradient]:
    x_end, sample = rule.estimator.sample(model, key, start)
    return x_end, rule.gradient(model, key, sample, x, batch_size)


def _native_gradient(
    estimator: TrajectoryGradient,
    model: Model,
    key: Key[Array, ""],
    start: Shaped[Array, " D"],
    x: Shaped[Array, "N D"],
    batch_size: Int[Array, ""],
) -> tuple[Bool[Array, " D"], Gradient]:
    x_end, gradient, log_likelihood, finite = calls.gradient(
        model, key, start, x, batch_size, estimator.chain_length, estimator.score
    )
    return x_end, Gradient(gradient, log_likelihood, finite)


def _native_steps(
    estimator: TrajectoryGradient,
    settings: tuple[float, float],
    state: State,
    x: Shaped[Array, "N D"],
    batch_sizes: Int[Array, " K"],
) -> tuple[State, StepInfo]:
    """K gradient steps with RMSprop of the given `decay` and `eps`."""
    model, num_steps = state.model, len(batch_sizes)
    numbers = state.step + jnp.arange(num_steps, dtype=state.step.dtype)
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(state.key, numbers)
    optimizer: Any = state.optimizer
    parameters, squared, x_end, log_likelihood, finite = calls.train(
        model,
        _mean_squares(optimizer),
        optimizer.hyperparams["learning_rate"],
        keys,
        state.x,
        x,
        batch_sizes,
        estimator.chain_length,
        estimator.score,
        *settings,
    )
    optimizer = eqx.tree_at(_mean_squares, optimizer, squared)
    optimizer = optimizer._replace(count=optimizer.count + num_steps)
    return State(
        model=Model(parameters, model.x_mean, model.latent),
        optimizer=optimizer,
        x=x_end,
        key=state.key,
        step=state.step + num_steps,
    ), jax.vmap(StepInfo)(log_likelihood, finite)


def _mean_squares(optimizer: Any) -> Parameters:
    """What the state of `training.rmsprop` keeps of the gradients."""
    return optimizer.inner_state[0].nu
