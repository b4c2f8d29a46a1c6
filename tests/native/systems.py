"""Members of an ensemble for the comparison of the native path with XLA."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nelc_jax import Cycles, TrajectoryGradient
from nelc_jax.training import State, rmsprop

# Drawn all at once, which the native path does not do: every part is XLA's.
BY_XLA = {"parallel": True}


def rules(latent, chain_length, score="paper", optimizer=None):
    """The rule, natively and in XLA; by default its steps are gradients."""
    if optimizer is None:
        optimizer = optax.sgd(1.0)
    return [
        Cycles(latent, TrajectoryGradient(chain_length, score=score, **how), optimizer)
        for how in ({}, BY_XLA)
    ]


def smooth_rmsprop():
    """RMSprop whose step is at most 10 times the rate times the gradient."""
    return rmsprop(0.1, eps=1e-2)


@partial(jax.jit, static_argnums=(0, 1, 2))
def member(rule, num_visible, num_points, seed=0, scale=1.0, bias=0.0):
    """A state with fields and logits of order `scale`, and data."""
    keys = jax.random.split(jax.random.key(seed), 6)
    x = jax.random.bernoulli(keys[0], 0.3, (num_points, num_visible))
    state = rule.init(keys[1], x)
    p = state.model.parameters

    def noise(key, like):
        return scale * jax.random.normal(key, like.shape)

    def changed(s):
        q = s.model.parameters
        return [q.w, q.a, q.w_bar, q.a_bar]

    values = [
        scale * p.w / 2,
        bias * noise(keys[2], p.a),
        noise(keys[3], p.w_bar) / jnp.sqrt(num_visible),
        noise(keys[4], p.a_bar),
    ]
    return eqx.tree_at(changed, state, values), x


def rounding(state: State) -> float:
    """A bound of what float32 leaves open in ln A, in nats.

    A logit is a sum of D numbers, each of which rounds the sum so far; a normaliser is
    as large; four operations on each.
    """
    w, a = map(np.asarray, (state.model.parameters.w, state.model.parameters.a))
    size = np.max(np.sum(np.abs(w) + np.abs(a)[:, None], axis=0))
    return 4 * np.finfo(np.float32).eps * (2 * size + len(a))
