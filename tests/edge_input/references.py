"""Models, data and their laws in double precision, for the edges of the domain."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_expit, logsumexp

from nelc_jax import (
    Binary,
    OneHot,
    TrajectoryGradient,
    chain,
    exact,
)

from .. import reference

KEY = jax.random.key(0)
SPACES = (OneHot(3), OneHot(3, "softmax"), Binary(3))
# A law of 8 states: 2 roundings of ln p (its entropy), 2 of exp, 8 of the sum.
NORMALISED = 12 * np.finfo(np.float32).eps
ids = repr


def skip_without(dtype):
    """Skip a test of half precision where XLA has no instructions for it."""
    if dtype is np.float16 or dtype is jnp.float16:
        try:
            jnp.zeros(1, dtype).astype(jnp.float32)
        except jax.errors.JaxRuntimeError:
            pytest.skip("XLA converts half precision by F16C instructions only")


def float32(*shape, scale=1.0, seed=0):
    values = scale * np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def log_law(space, h):
    """ln p(z|x) of every state, in double precision."""
    h = np.asarray(h, float)
    if isinstance(space, Binary):
        z = reference.bit_rows(space.num_units)
        return log_expit(h) @ z.T + log_expit(-h) @ (1 - z).T
    weight = log_expit(h) if space.normalization == "sigmoid" else h
    return weight - logsumexp(weight, axis=-1, keepdims=True)


def log_bernoulli(logits, x):
    """ln p(x) of every point under every row of logits, in double precision."""
    x, logits = np.asarray(x, float), np.asarray(logits, float)
    return x @ log_expit(logits).T + (1 - x) @ log_expit(-logits).T


@jax.jit
def enumerated(model):
    """A, A_bar, M, p_bar and p(x) by the library, in one program."""
    return (
        exact.forward_matrix(model),
        exact.backward_matrix(model),
        exact.latent_kernel(model),
        exact.latent_distribution(model),
        exact.visible_distribution(model),
    )


draw = jax.jit(chain.sample_chain, static_argnums=3)
at_once = jax.jit(partial(chain.sample_chain, parallel=True), static_argnums=3)


@partial(jax.jit, static_argnames="score")
def two_step_gradient(model, trajectory, x, score="paper"):
    return TrajectoryGradient(score=score).estimate(model, trajectory, x)


def in_numpy(model):
    """A, A_bar, M and p_bar of a model in double precision."""
    p = jax.tree.map(lambda a: np.asarray(a, float), model.parameters)
    x = reference.bit_rows(len(p.a))
    z = np.asarray(model.latent.states(), float)
    A = np.exp(log_bernoulli(z @ p.w.T + p.a, x)).T
    h = (x - np.asarray(model.x_mean, float)) @ p.w_bar.T + p.a_bar
    A_bar = np.exp(log_law(model.latent, h))
    return A, A_bar, A @ A_bar


DATA = {
    "one point": np.array([[1, 0, 1, 1, 0]]),
    "zeros": np.zeros((4, 5)),
    "ones": np.ones((4, 5)),
    "constant pixels": np.array([[1, 0, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 1, 1, 0]]),
    "duplicates": np.array([[1, 0, 1, 1, 0]] * 12),
}
