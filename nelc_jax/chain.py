"""The Markov chain x -> z -> x' (Sect. II, eq. 18), by `lax.scan`."""

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray, Shaped

from .model import Model, backward_field, forward_logits
from .noise import Noise, bernoulli, draw_noise, thresholds

BLOCK = 64
"""Double steps whose random numbers `fold_chain` holds in memory at once."""

Carry = TypeVar("Carry")


class Trajectory(eqx.Module):
    """The sequence of eq. 18, z(t) drawn from p(z|x(t)) and x(t + 1) from p(x|z(t))."""

    x: Bool[Array, "T D"]
    z: Bool[Array, "T L"]


def double_step(
    model: Model, key: PRNGKeyArray, x: Shaped[Array, " D"]
) -> tuple[Bool[Array, " L"], Bool[Array, " D"]]:
    """One double step x -> z -> x': z ~ A_bar[x, z], x' ~ A[z, x'] (eq. 8-11, 19)."""
    step = _stepper(model)
    noise = _noise(model, key, 0, 1)
    return step(x, jax.tree.map(lambda r: r[0], noise))


def sample_chain(
    model: Model, key: PRNGKeyArray, x: Shaped[Array, " D"], num_steps: int
) -> tuple[Bool[Array, " D"], Trajectory]:
    """T double steps from x(0) = x (eq. 18).

    **Arguments:** typed `key`; `x`, the starting state; `num_steps`, T >= 1.

    **Returns:** x(T), which starts the next chain of a persistent run, and the
    trajectory (x(0), z(0)) .. (x(T - 1), z(T - 1)).

    **Raises:** `ValueError` for a T below 1.
    """
    _check_steps(num_steps)
    step = _stepper(model)

    def body(x, noise):
        z, x_next = step(x, noise)
        return x_next, Trajectory(x, z)

    return jax.lax.scan(body, x.astype(bool), _noise(model, key, 0, num_steps))


def fold_chain(
    model: Model,
    key: PRNGKeyArray,
    x: Shaped[Array, " D"],
    num_steps: int,
    observe: Callable[[Carry, Bool[Array, " D"], Bool[Array, " L"]], Carry],
    init: Carry,
) -> tuple[Bool[Array, " D"], Carry]:
    """T double steps that keep only `carry = observe(carry, x(t), z(t))`.

    The chain is the one that `sample_chain` draws with the same key; memory does not
    grow with T (random numbers are drawn for `BLOCK` steps at a time).

    **Arguments:** as `sample_chain`; `observe`, any traceable function; `init`, the
    carry before the first step.

    **Returns:** x(T) and the final carry.
    """
    _check_steps(num_steps)
    step = _stepper(model)

    def body(state, noise):
        x, carry = state
        z, x_next = step(x, noise)
        return (x_next, observe(carry, x, z)), None

    def block(state, start):
        return jax.lax.scan(body, state, _noise(model, key, start, BLOCK))

    whole, rest = divmod(num_steps, BLOCK)
    state = (x.astype(bool), init)
    if whole:
        state, _ = jax.lax.scan(block, state, BLOCK * jnp.arange(whole))
    if rest:
        state, _ = jax.lax.scan(
            body, state, _noise(model, key, BLOCK * whole, rest)
        )
    return state


def _stepper(model: Model):
    """The double step as a function of x and one step's noise."""
    latent = model.latent
    if latent.enumerable:
        # The probabilities of a whole chain come from S rows, made once.
        table = thresholds(forward_logits(model, latent.states()))

        def visible_thresholds(z):
            return table[latent.index(z)]
    else:

        def visible_thresholds(z):
            return thresholds(forward_logits(model, z))

    def step(x, noise: Noise):
        z = latent.draw(noise.latent, backward_field(model, x))
        return z, bernoulli(noise.visible, visible_thresholds(z))

    return step


def _noise(model: Model, key: PRNGKeyArray, start, num_steps: int) -> Noise:
    return draw_noise(
        key,
        start,
        num_steps,
        model.num_visible,
        model.latent.num_uniforms,
        model.parameters.w_bar.dtype.type,
    )


def _check_steps(num_steps: int):
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps}: expected at least 1 double step")
