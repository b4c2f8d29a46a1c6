"""What the rules of this library share: checks of their parts, and the ascent."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from .._checks import check_class
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
