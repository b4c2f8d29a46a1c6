"""Training: the local gradients of a rule, at all knots at once, and an optimiser.

`Learner.init` makes a `State`, `train` advances it; members of an ensemble by `vmap`
over the key of `init` and over the state of `train`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from .._checks import check_count, check_points, check_settings, checked
from .._loops import scan, vary_with
from .force_matching import ForceMatching
from .learning import AbstractRule
from .network import AbstractNetwork

__all__ = ["Learner", "State", "train"]


class State(eqx.Module):
    """All that training carries from step to step; step k uses `fold_in(key, k)`."""

    parameters: PyTree
    optimizer: optax.OptState
    key: Key[Array, ""]
    step: Int[Array, ""]


class Learner(eqx.Module):
    """How a `network` learns: by a `rule`, with an `optimizer`, from batches of points.

    `optimizer`, of optax: by default Adam, whose rate falls from 0.02 to zero as a
    cosine over 2000 steps; `batch`, noised points between two knots in a step.

    **Raises:** `ValueError` for a `batch` below 1.
    """

    network: AbstractNetwork
    rule: AbstractRule = ForceMatching()
    optimizer: optax.GradientTransformation = eqx.field(
        static=True, default=optax.adam(optax.cosine_decay_schedule(0.02, 2000))
    )
    batch: int = eqx.field(static=True, default=32)

    def __check_init__(self):
        check_settings(self)
        check_count("batch", self.batch, 1, "point")

    @checked
    def init(self, key: Key[Array, ""], x: Float[Array, "N n"]) -> State:
        """The state before the first step, at the network's `init`.

        **Arguments:** the member's typed `key`; data `x`.
        """
        # No step has this number.
        own = jax.random.fold_in(key, jnp.uint32(0xFFFFFFFF))
        parameters = self.network.init(own, x)
        return State(parameters, self.optimizer.init(parameters), key, jnp.int32(0))

    @checked
    def gradient(
        self,
        parameters: PyTree,
        key: Key[Array, ""],
        x: Float[Array, "N n"],
    ) -> tuple[PyTree, Float[Array, ""]]:
        """The gradient of the loss summed over the intervals, and its mean.

        Both are estimated from one batch of points.

        **Arguments:** `parameters`; typed `key`; data `x`.

        **Raises:** `ValueError` when `x` has no points.
        """
        check_points("x", x)
        points_key, share_key, measure_key = jax.random.split(key, 3)
        shape = (self.network.knots.shape[0] - 1, self.batch)
        # An array of NumPy cannot be indexed by what is traced.
        points = jnp.asarray(x)[jax.random.randint(points_key, shape, 0, x.shape[0])]
        share = jax.random.uniform(share_key, shape, x.dtype)
        parameters = vary_with(parameters, key, x)
        potential, to_parameters = jax.vjp(self.network.potential, parameters)
        measured = self.rule.measure(
            self.network, potential, measure_key, points, share
        )
        gradient, loss = measured.gradient(self.network, potential, share)
        return to_parameters(gradient)[0], loss

    @checked
    def step(
        self, state: State, x: Float[Array, "N n"]
    ) -> tuple[State, Float[Array, ""]]:
        """Noise points in every interval, measure, and follow the local gradient."""
        key = jax.random.fold_in(state.key, state.step)
        gradient, loss = self.gradient(state.parameters, key, x)
        updates, optimizer = self.optimizer.update(
            gradient, state.optimizer, state.parameters
        )
        parameters = optax.apply_updates(state.parameters, updates)
        return State(parameters, optimizer, state.key, state.step + 1), loss


@checked
def train(
    learner: Learner, state: State, x: Float[Array, "N n"], num_steps: int
) -> tuple[State, Float[Array, " S"]]:
    """`num_steps` steps by `scan`.

    **Returns:** the last state, and the loss a degree of freedom of every step, without
    unit; for observed motion with the noise of the displacements.

    **Raises:** `ValueError` for `num_steps` below 1, or when `x` has no points.
    """
    check_count("num_steps", num_steps, 1, "step")

    def body(state, _):
        return learner.step(state, x)

    return scan(body, state, None, length=num_steps)
