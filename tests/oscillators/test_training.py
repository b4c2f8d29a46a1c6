import functools

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nelc_jax.oscillators import (
    ForceMatching,
    Learner,
    ObservedMotion,
    QuarticNetwork,
    all_to_all,
    train,
)

from ..compilation import long_run
from .systems import GENERATION, NOISING

COVARIANCE = np.array([[0.5, 0.3], [0.3, 0.4]])
KEYS = jax.random.split(jax.random.key(1), 3)


@pytest.fixture(scope="module")
def x():
    """Data whose mean and covariance are exactly those wanted."""
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([0.5, -0.2], COVARIANCE, 4000)
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, ddof=0))).T
    return jnp.asarray(x @ np.linalg.cholesky(COVARIANCE).T + [0.5, -0.2], jnp.float32)


def network():
    pairs = jnp.asarray(all_to_all(2))
    return QuarticNetwork(GENERATION, NOISING.geometric_times(13), pairs)


@functools.cache
def learner(rule):
    optimizer = optax.adam(optax.cosine_decay_schedule(0.03, 1000))
    batch = 64 if rule == ForceMatching() else 512
    return Learner(network(), rule, optimizer, batch)


@pytest.fixture(scope="module")
def trained(x):
    """The potentials at the knots after training by a rule, and the losses."""

    @functools.cache
    def trained(rule):
        one = learner(rule)

        @long_run
        def run(key):
            state, loss = train(one, one.init(key, x), x, 1000)
            return one.network.potential(state.parameters), loss

        return jax.tree.map(np.asarray, run(KEYS[1]))

    return trained


@pytest.mark.parametrize(
    ("rule", "tolerance"), [(ForceMatching(), 0.02), (ObservedMotion(0.05), 0.05)]
)
def test_learns_the_exact_protocol_of_normal_data(trained, rule, tolerance):
    """F* is then linear, -(k + J) x - b with a matrix that is known."""
    found, loss = trained(rule)
    chex.assert_tree_all_finite(loss)
    knots = network().knots
    alphas, spreads = map(np.asarray, (NOISING.decay(knots), NOISING.spread(knots)))
    front, outward = map(
        float, (GENERATION.score_weight, GENERATION.pace * NOISING.stiffness)
    )
    for row, (alpha, s) in enumerate(zip(alphas, spreads, strict=True)):
        inverse = front * np.linalg.inv(alpha**2 * COVARIANCE + s**2 * np.eye(2))
        matrix = inverse - outward * np.eye(2)
        scale = front / s**2
        # q adds to k what it takes of the variance: compare the mean curvature.
        spread = alpha**2 * np.diag(COVARIANCE) + s**2
        mean = alpha * np.array([0.5, -0.2])
        curvature = found.k[row] + 3 * found.q[row] * (spread + mean**2)
        np.testing.assert_allclose(
            curvature / scale, np.diag(matrix) / scale, atol=2 * tolerance
        )
        np.testing.assert_allclose(
            found.J[row, 0, 1] / scale, matrix[0, 1] / scale, atol=tolerance
        )


def test_members_do_not_depend_on_company_nor_on_breaks(x, trained):
    """Member 1 of three, trained in two parts, and alone without a break."""
    one = learner(ForceMatching())

    @long_run
    @eqx.debug.assert_max_traces(max_traces=1)
    def half(states):
        return jax.vmap(lambda state: train(one, state, x, 500))(states)

    middle, first = half(jax.jit(jax.vmap(lambda key: one.init(key, x)))(KEYS))
    states, second = half(middle)
    losses = np.concatenate([first, second], axis=1)
    alone, loss = trained(ForceMatching())
    np.testing.assert_allclose(losses[1], loss, rtol=1e-4)
    learned = jax.tree.map(lambda array: array[1], states.parameters)
    found = jax.jit(QuarticNetwork.potential)(one.network, learned)
    np.testing.assert_allclose(found.J, alone.J, rtol=1e-3, atol=1e-5)
    assert len(np.unique(losses[:, 0])) == 3


def test_settings_are_checked(unchecked):
    with pytest.raises(ValueError, match="batch=0: expected at least 1"):
        Learner(network(), batch=0)
    with pytest.raises(TypeError, match=r"batch=2\.5: expected an integer"):
        Learner(network(), batch=2.5)
