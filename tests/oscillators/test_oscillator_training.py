import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import diffusion, training
from nelc_jax.oscillators.network import Network, geometric_knots, knot_potentials
from nelc_jax.oscillators.potential import all_to_all
from nelc_jax.oscillators.training import Config

from .systems import GENERATION, NOISING

COVARIANCE = np.array([[0.5, 0.3], [0.3, 0.4]])


@pytest.fixture(scope="module")
def correlated():
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([0.5, -0.2], COVARIANCE, 4000)
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, ddof=0))).T
    x = x @ np.linalg.cholesky(COVARIANCE).T + [0.5, -0.2]
    network = Network(
        GENERATION, jnp.asarray(all_to_all(2)), geometric_knots(NOISING, 13)
    )
    return network, jnp.asarray(x, jnp.float32)


BATCH = {"force": 64, "observed": 512}
KEYS = jax.random.split(jax.random.key(1), 3)


def config(rule):
    return Config(
        rule, num_steps=1000, batch=BATCH[rule], learning_rate=0.03, fraction=0.05
    )


@pytest.fixture(scope="module")
def trained(correlated):
    """The potentials at the knots after training by a rule, and the losses."""
    network, x = correlated

    @functools.cache
    def trained(rule):
        @jax.jit
        def run(key):
            start = training.init(key, network, x)
            state, loss = training.train(config(rule), network, start, x, 1000)
            return knot_potentials(network, state.parameters), loss

        return jax.tree.map(np.asarray, run(KEYS[1]))

    return trained


@pytest.mark.parametrize(("rule", "tolerance"), [("force", 0.02), ("observed", 0.05)])
def test_learns_the_exact_protocol_of_normal_data(correlated, trained, rule, tolerance):
    """F* is then linear, -(k + J) x - b with a matrix that is known."""
    network, _ = correlated
    found, loss = trained(rule)
    assert np.isfinite(loss).all()
    alphas = np.asarray(jax.jit(diffusion.decay)(NOISING, network.knots))
    spreads = np.asarray(jax.jit(diffusion.spread)(NOISING, network.knots))
    for row, (alpha, s) in enumerate(zip(alphas, spreads, strict=True)):
        front = diffusion.score_weight(GENERATION)
        inverse = front * np.linalg.inv(alpha**2 * COVARIANCE + s**2 * np.eye(2))
        outward = diffusion.pace(GENERATION) * NOISING.stiffness
        matrix = inverse - outward * np.eye(2)
        scale = float(front / s**2)
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


def test_members_do_not_depend_on_company_nor_on_breaks(correlated, trained):
    """Member 1 of three, trained in two parts, and alone without a break."""
    network, x = correlated

    @jax.jit
    @jax.vmap
    def start(key):
        return training.init(key, network, x)

    @jax.jit
    @jax.vmap
    def half(state):
        state, loss = training.train(config("force"), network, state, x, 500)
        return state, loss, knot_potentials(network, state.parameters)

    middle, first, _ = half(start(KEYS))
    _, second, potentials = half(middle)
    losses = np.concatenate([first, second], axis=1)
    alone, loss = trained("force")
    np.testing.assert_allclose(losses[1], loss, rtol=1e-4)
    np.testing.assert_allclose(potentials.J[1], alone.J, rtol=1e-3, atol=1e-5)
    assert len(np.unique(losses[:, 0])) == 3


BAD = {
    "rule='other'": dict(rule="other"),
    "batch=0": dict(batch=0),
    r"learning_rate=-1\.0": dict(learning_rate=-1.0),
    r"fraction=1\.0": dict(fraction=1.0),
}


@pytest.mark.parametrize("message", BAD)
def test_config_is_checked(message, unchecked):
    with pytest.raises(ValueError, match=message):
        Config(**BAD[message])
