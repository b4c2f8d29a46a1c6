"""Sums over the data, and gradients on weighted points."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import AveragedGradient, TrajectoryGradient
from nelc_jax.estimators._moments import backward_moments, forward_moments

from .. import reference
from ..trajectories import short_trajectory

ESTIMATOR = TrajectoryGradient(score="exact")


@pytest.mark.usefixtures("x64")
def test_sums_by_brute_force(space, data):
    """r = weight_k A[z_k, x_m] / p(x_m), over all states or the visited ones."""
    model, trajectory = reference.to_model(space), short_trajectory(space)
    shares = np.array([0.1, 0.2, 0.3, 0.4])

    @jax.jit
    def run(model, trajectory, x, weights):
        support = ESTIMATOR.support(model, trajectory)
        sums = support.sums(x, weights)
        return support, sums, forward_moments(support, sums)

    support, sums, moments = run(
        model, trajectory, jnp.asarray(data), jnp.asarray(shares)
    )
    A, visits = (
        reference.forward_matrix(space),
        reference.latent_codes(space, trajectory.z),
    )
    rows = np.arange(len(A)) if model.latent.enumerable else visits
    weights = np.bincount(visits, minlength=len(A)) / len(visits)
    if not model.latent.enumerable:
        weights = np.full(len(visits), 1 / len(visits))
    np.testing.assert_allclose(support.weights, weights, rtol=1e-14)
    np.testing.assert_array_equal(rows[support.visit], visits)
    joint = (weights[:, None] * A[rows])[:, reference.codes(data)]
    r = joint / joint.sum(0) * shares
    np.testing.assert_allclose(sums.r, r.sum(1), rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(sums.x, r @ data, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(sums.log_likelihood, shares @ np.log(joint.sum(0)))
    mu = A[rows] @ reference.bit_rows(5)
    expected = np.einsum("km,kmd->kd", r, data[None] - mu[:, None])
    np.testing.assert_allclose(moments, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.usefixtures("x64")
def test_backward_moments():
    rng = np.random.default_rng(0)
    c, x, x_mean = rng.normal(size=(3, 7)), rng.random((7, 5)) < 0.5, rng.random(5)
    moments, total = backward_moments(*map(jnp.asarray, (c, x, x_mean)))
    np.testing.assert_allclose(moments, c @ (x - x_mean), rtol=1e-12)
    np.testing.assert_allclose(total, c.sum(1), rtol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "estimator", [ESTIMATOR, AveragedGradient(draws=3)], ids=("trajectory", "averaged")
)
def test_weights(estimator, data):
    """Padding of weight zero changes nothing; other weights weigh the data points."""
    system = reference.random_system("binary")
    model, sample = reference.to_model(system), short_trajectory(system)
    if isinstance(estimator, AveragedGradient):
        _, sample = estimator.sample(model, jax.random.key(0), sample.x[0])

    run = jax.jit(estimator.estimate)

    def weighted(x, weights):
        padded = np.concatenate([x, 1 - data, 1 - data])[:7]
        weights = jnp.asarray(weights + [0.0] * (7 - len(x)))
        return run(model, sample, jnp.asarray(padded, bool), weights)

    # Weights that are not all equal act like repeated points.
    for found, x in (
        (weighted(data, [0.25] * 4), data),
        (weighted(data[:2], [0.75, 0.25]), data[[0, 0, 0, 1]]),
    ):
        expected = run(model, sample, jnp.asarray(x))
        chex.assert_trees_all_close(found, expected, rtol=1e-12, atol=1e-15)


def test_no_points():
    system = reference.random_system("binary")
    model, sample = reference.to_model(system), short_trajectory(system)
    with pytest.raises(ValueError, match="data point"):
        ESTIMATOR.estimate(model, sample, jnp.zeros((0, 5), bool))
