"""The rule of a loop: that of `Cycles`, with more layers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, Shaped

from .._checks import check_batches, check_points, checked
from ..latent import AbstractLatent
from ..rules._parts import ascend, batch_sums, check_rule_parts
from ..training import AbstractRule, State, StepInfo, rmsprop
from .gradient import LoopGradient
from .model import Loop, check_layers, init_loop

__all__ = ["DeepCycles"]


class DeepCycles(AbstractRule):
    """A `Loop`, trained on an estimate of its gradient.

    With one hidden layer it takes the steps of `Cycles`. The `model` of its states is a
    `Loop`.

    **Arguments:** hidden `layers`, from x on; `estimator` of the gradient; `optimizer`,
    any of optax's that needs the gradient alone (default: the paper's RMSprop).

    **Raises:** `TypeError` for anything else; `ValueError` for no layers.
    """

    layers: tuple[AbstractLatent, ...] = eqx.field(static=True)
    estimator: LoopGradient = eqx.field(static=True, default=LoopGradient())
    optimizer: optax.GradientTransformation = eqx.field(static=True, default=rmsprop())

    latent: AbstractLatent = eqx.field(static=True, init=False)
    """The last hidden layer, whose states generate x."""

    def __post_init__(self):
        check_layers(self.layers)
        check_rule_parts(self, estimator=LoopGradient)
        self.latent = self.layers[-1]

    @checked
    def init(self, key: Key[Array, ""], x: Shaped[Array, "N D"]) -> State:
        """The state before the first step: weights of `init_loop`, as in `Cycles.init`.

        **Raises:** as `init_loop`.
        """
        model_key, chain_key, train_key = jax.random.split(key, 3)
        loop = init_loop(model_key, self.layers, x)
        return State(
            model=loop,
            optimizer=self.optimizer.init(loop.kernels),  # pyright: ignore
            x=jax.random.bernoulli(chain_key, loop.x_mean),
            key=train_key,
            step=jnp.int32(0),
        )

    @checked
    def step(
        self, state: State, x: Shaped[Array, "N D"], batch_size: Int[Array, ""]
    ) -> tuple[State, StepInfo]:
        """One gradient step on a mini-batch, drawn with replacement from the data.

        **Raises:** `ValueError` when `x` has no points, for a known `batch_size` below
        1, or for the state of other layers.
        """
        check_points("x", x)
        check_batches("batch_size", batch_size)
        loop = state.model
        if loop.layers != self.layers:
            raise ValueError(
                f"state.model.layers={loop.layers}: expected those of the rule, "
                f"{self.layers}"
            )
        key = jax.random.fold_in(state.key, state.step)
        x_end, sample = self.estimator.sample(loop, key, state.x)
        support = self.estimator.support(loop, sample)
        sums = batch_sums(support, key, x, batch_size)
        gradient, info = self.estimator.gradient(loop, sample, support, sums)
        kernels, optimizer = ascend(self.optimizer, state, gradient, loop.kernels)
        return State(
            model=Loop(kernels, loop.x_mean, loop.layers),
            optimizer=optimizer,
            x=x_end,
            key=state.key,
            step=state.step + 1,
        ), info
