"""Training: the local gradients of either rule, at all knots at once, and Adam.

`init` makes a `State`, `train` advances it; members of an ensemble by `vmap` over the
key of `init` and over the state of `train`.
"""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from .._checks import check_count, check_points, check_settings, checked
from .learning import Measurement, knot_gradient, loss_weight, measure_force
from .network import (
    Network,
    Parameters,
    init_parameters,
    knot_potentials,
    pull_back,
)
from .observed import measure_motion

Rule = Literal["force", "observed"]
"""What the protocol is learned from: measured forces, or motion watched."""


class Config(eqx.Module):
    """What is fixed at compilation.

    `rule`, `"force"` matching or `"observed"` motion; `num_steps`, over which the
    `learning_rate` of Adam falls to zero as a cosine; `batch`, noised points between
    two knots in a step; of observed motion, `fraction` (see
    `observed.observation_time`) and `substeps`.

    **Raises:** `ValueError` for an unknown rule or numbers out of range.
    """

    rule: Rule = eqx.field(static=True, default="force")
    num_steps: int = eqx.field(static=True, default=2000)
    batch: int = eqx.field(static=True, default=32)
    learning_rate: float = eqx.field(static=True, default=0.02)
    fraction: float = eqx.field(static=True, default=0.1)
    substeps: int = eqx.field(static=True, default=2)

    def __check_init__(self):
        check_settings(self)
        for name in ("num_steps", "batch", "learning_rate", "substeps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected more than 0")
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction={self.fraction}: expected between 0 and 1")


class State(eqx.Module):
    """All that training carries from step to step; step k uses `fold_in(key, k)`."""

    parameters: Parameters
    optimizer: optax.OptState
    key: Key[Array, ""]
    step: Int[Array, ""]


@checked
def init(key: Key[Array, ""], network: Network, x: Float[Array, "N n"]) -> State:
    """The state before the first step: uncoupled oscillators (`init_parameters`).

    **Arguments:** the member's typed `key`; `network`; data `x`.
    """
    parameters = init_parameters(network, x)
    return State(parameters, _adam().init(_leaves(parameters)), key, jnp.int32(0))


@checked
def train(
    config: Config,
    network: Network,
    state: State,
    x: Float[Array, "N n"],
    num_steps: int,
) -> tuple[State, Float[Array, " S"]]:
    """`num_steps` steps of the `config.num_steps` by `scan`.

    **Returns:** the last state, and the loss a degree of freedom of every step, without
    unit; for observed motion with the noise of the displacements.

    **Raises:** `ValueError` for `num_steps` below 1, or when `x` has no points.
    """
    check_count("num_steps", num_steps, 1, "step")

    def body(state, _):
        return train_step(config, network, state, x)

    return jax.lax.scan(body, state, None, length=num_steps)


@checked
def train_step(
    config: Config, network: Network, state: State, x: Float[Array, "N n"]
) -> tuple[State, Float[Array, ""]]:
    """One step: noise points in every interval, measure, follow the local gradient."""
    key = jax.random.fold_in(state.key, state.step)
    gradient, loss = estimate_gradient(config, network, state.parameters, key, x)
    direction, optimizer = _adam().update(_leaves(gradient), state.optimizer)
    done = jnp.minimum(state.step / config.num_steps, 1)
    rate = config.learning_rate * (1 + jnp.cos(jnp.pi * done)) / 2
    parameters = jax.tree.map(
        lambda p, d: p - rate * d, _leaves(state.parameters), direction
    )
    return State(Parameters(**parameters), optimizer, state.key, state.step + 1), loss


@checked
def estimate_gradient(
    config: Config,
    network: Network,
    parameters: Parameters,
    key: Key[Array, ""],
    x: Float[Array, "N n"],
) -> tuple[Parameters, Float[Array, ""]]:
    """The gradient of the loss summed over the intervals, from one batch, and its mean.

    **Arguments:** `config`; `network`; `parameters`; typed `key`; data `x`.

    **Raises:** `ValueError` when `x` has no points.
    """
    check_points("x", x)
    points_key, share_key, measure_key = jax.random.split(key, 3)
    knots = network.knots
    shape = (knots.shape[0] - 1, config.batch)
    points = x[jax.random.randint(points_key, shape, 0, x.shape[0])]
    share = jax.random.uniform(share_key, shape, x.dtype)
    time = knots[:-1, None] + share * jnp.diff(knots)[:, None]
    measured = _measure(config, network, parameters, measure_key, points, share, time)
    weight = loss_weight(network, time)[..., None]
    error = measured.force - measured.target
    loss = jnp.mean(weight * jnp.square(error)) / 2
    gradient = knot_gradient(measured.x, weight * error, share)
    return pull_back(network, parameters, gradient), loss


def _measure(config, network, parameters, key, points, share, time) -> Measurement:
    knots = knot_potentials(network, parameters)
    if config.rule == "force":
        return measure_force(network, knots, key, points, share, time)
    return measure_motion(
        network, knots, key, points, share, time, config.fraction, config.substeps
    )


def _leaves(parameters: Parameters) -> dict[str, Array]:
    """The arrays by name: optax's types do not know equinox modules."""
    names = ("b", "k", "q", "J")
    return {name: getattr(parameters, name) for name in names}


def _adam() -> Any:
    return optax.scale_by_adam()
