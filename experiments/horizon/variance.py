"""The error of each estimator of the gradient, at one model and one mini-batch."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.runs.directory import Run
from experiments.runs.finished import model_of
from nelc_jax import AveragedGradient, Model, Parameters, TrajectoryGradient
from nelc_jax.model import state_logits

REPEATS = 256
"""Independent estimates of a gradient."""
REFERENCE_DRAWS = 4096
"""Draws of every latent state for the gradient they are compared with, 8 times."""
CHAIN_LENGTH, DRAWS = 48, 8
"""Double steps of a chain, and draws of every one of six states: as many in all."""


def relative_errors(
    run: Run, index: int, x: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Root mean square errors of w's and w_bar's gradients, over the gradients' norms.

    With the exact score, for the model `index` of a run. The chains start from draws of
    the model.
    """
    model, p_bar = model_of(run, index), jnp.asarray(run.arrays["occupancy"][index])
    points = jnp.asarray(x)
    found = {}
    for name, long in (("K=1", 1), ("K=4", 4), ("K=all", None)):
        expected = _reference(model, points, long)
        found[f"averaged, {name}"] = _error(
            expected, _averaged(model, points, long, jax.random.key(0))
        )
        if long is not None:
            estimates = _along_chains(model, points, long, p_bar, jax.random.key(1))
            found[f"along the chain, {name}"] = _error(expected, estimates)
    return found


def _averaged(model: Model, x, long, key, draws=DRAWS, repeats=REPEATS) -> Parameters:
    estimator = AveragedGradient(draws, long)

    def one(key):
        _, drawn = estimator.sample(model, key, x[0])
        return estimator.estimate(model, drawn, x).gradient

    return jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, repeats))


def _reference(model: Model, x, long) -> Parameters:
    found = _averaged(model, x, long, jax.random.key(2), REFERENCE_DRAWS, 8)
    return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), found)


def _along_chains(model: Model, x, long, p_bar, key) -> Parameters:
    estimator = TrajectoryGradient(CHAIN_LENGTH, "exact", long)

    def one(key):
        state_key, pixel_key, chain_key = jax.random.split(key, 3)
        state = jax.random.categorical(state_key, jnp.log(p_bar))
        mean = jax.nn.sigmoid(state_logits(model)[state])
        start = jax.random.bernoulli(pixel_key, mean)
        _, trajectory = estimator.sample(model, chain_key, start)
        return estimator.estimate(model, trajectory, x).gradient

    return jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, REPEATS))


def _error(expected: Parameters, estimates: Parameters) -> tuple[float, float]:
    def of(name: str) -> float:
        value, estimate = getattr(expected, name), getattr(estimates, name)
        square = jnp.sum((estimate - value[None]) ** 2, axis=(1, 2))
        return float(jnp.sqrt(jnp.mean(square) / jnp.sum(value**2)))

    return of("w"), of("w_bar")
