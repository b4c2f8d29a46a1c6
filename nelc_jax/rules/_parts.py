"""What rules share: checks of their parts, sums over the mini-batch, the ascent."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, Shaped

from .._checks import check_class, checked
from .._minibatch import sum_chunks
from ..estimators.base import DataSums, Support
from ..latent import AbstractLatent
from ..training import AbstractRule, State


def check_rule_parts(rule: AbstractRule, **parts: type) -> None:
    """Check the objects of a rule: its `parts` by their class, and its optimiser.

    **Raises:** `TypeError` for one of another kind.
    """
    for name, kind in parts.items():
        check_class(name, getattr(rule, name), kind)
    optimizer = rule.optimizer  # pyright: ignore
    # By its functions, not its class: optax has optimisers of others.
    if not all(callable(getattr(optimizer, name, None)) for name in ("init", "update")):
        raise TypeError(
            f"optimizer={optimizer!r:.60}: expected an optimiser of optax, as "
            "optax.adam(0.01)"
        )


def check_latent_of(rule: AbstractRule, latent: AbstractLatent) -> None:
    """Check that a state has the latent space of the rule that is to train it.

    **Raises:** `ValueError` where it has another.
    """
    if latent != rule.latent:
        raise ValueError(
            f"state.model.latent={latent}: expected that of the rule, {rule.latent}"
        )


@checked
def batch_sums(
    support: Support,
    key: Key[Array, ""],
    x: Shaped[Array, "N D"],
    batch_size: Int[Array, ""],
) -> DataSums:
    """`support.sums` over the mini-batch of a `key`.

    Added up over chunks, so that one program serves every `batch_size`.
    """
    zeros = jax.tree.map(
        jnp.zeros_like, DataSums(support.logits, support.weights, support.weights[0])
    )
    return sum_chunks(support.sums, zeros, key, x, batch_size)


def ascend(
    optimizer: optax.GradientTransformation,
    state: State,
    gradient: Any,
    parameters: Any,
) -> tuple[Any, optax.OptState]:
    """Parameters moved up the gradient, and the optimiser's new state.

    Optax minimises, so it gets the gradient of minus the log-likelihood.
    """
    descent = jax.tree.map(jnp.negative, gradient)
    updates, moved = optimizer.update(descent, state.optimizer, parameters)
    return optax.apply_updates(parameters, updates), moved
