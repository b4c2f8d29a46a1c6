import itertools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import traces
from nelc_jax.chain import Trajectory
from nelc_jax.gradient import two_step_gradient

from . import reference

LAMBDA = 0.6


def flat(gradient):
    return jax.flatten_util.ravel_pytree(gradient)[0]


def expected_gradient(system, data, horizon, trace):
    """Its mean by enumeration: sums over k of (lambda M)^k (g - 1), k < K."""
    A, A_bar = reference.forward_matrix(system), reference.backward_matrix(system)
    p_bar, p = reference.latent_law(system), reference.visible_law(system)
    states, visible = reference.latent_states(system), reference.bit_rows(5)
    g = np.mean([A[:, k] / p[k] for k in reference.codes(data)], axis=0)
    powers = [np.linalg.matrix_power(trace * A @ A_bar, k) for k in range(horizon)]
    later = sum((power @ (g - 1) for power in powers[1:]), np.zeros_like(g))
    came = trace * sum((power @ (g - 1) for power in powers[:-1]), np.zeros_like(g))
    two_step = reference.two_step_gradient(system, data, "exact")
    w, a, w_bar, a_bar = (np.array(part) for part in two_step)
    for (i, x), (k, z) in itertools.product(enumerate(visible), enumerate(states)):
        score = p[i] * A_bar[i, k] * later[k] * reference.score(system, x, z, "exact")
        w_bar += np.outer(score, x - system.x_mean)
        a_bar += score
        mu = reference.sigmoid(system.w @ z + system.a)
        residual = p_bar[k] * A[k, i] * (A_bar[i] @ came) * (x - mu)
        w += np.outer(residual, z)
        a += residual * (system.kind == "binary")
    return reference.flat((w, a, w_bar, a_bar))


def test_converges_to_the_enumerated_gradient(x64, space, data):
    """K = 4, and all steps with a trace, also where states cannot be enumerated."""
    chains = reference.stationary_trajectories(space.kind)
    model, x = reference.to_model(space), jnp.asarray(data)

    def estimates(model, chains, x):
        def one(chain):
            def past(*settings):
                return traces.trajectory_gradient(model, chain, x, None, *settings)

            found = past(4, 1.0), past(None, LAMBDA)
            return jnp.stack([flat(each.gradient) for each in found])

        return jax.lax.map(one, chains)

    found = np.asarray(jax.jit(estimates)(model, chains, x))
    expected = [
        expected_gradient(space, data, 4, 1.0),
        expected_gradient(space, data, 60, LAMBDA),
    ]
    controls = [
        expected_gradient(space, data, 1, 1.0),
        expected_gradient(space, data, 60, 0.1),
    ]
    for i in range(2):
        spread = found[:, i].std(0, ddof=1) / np.sqrt(len(found))
        free = spread > 0
        errors = [
            np.max(np.abs(found[:, i].mean(0) - e)[free] / spread[free])
            for e in (expected[i], controls[i])
        ]
        assert errors[0] < 4.5 < errors[1]


def short_chain(system, num_steps=30):
    """Any states will do: the gradient is a function of the trajectory."""
    rng = np.random.default_rng(0)
    states = reference.latent_states(system)
    z = states[rng.integers(0, len(states), num_steps)]
    x = rng.random((num_steps, 5)) < 0.5
    h = np.array([reference.field(system, x_t) for x_t in x])
    return Trajectory(jnp.asarray(x), jnp.asarray(z, bool), jnp.asarray(h, float))


def test_one_step_and_no_trace_are_the_two_step_rule(x64, space, data):
    model, x, chain = reference.to_model(space), jnp.asarray(data), short_chain(space)

    @jax.jit
    def run(model, chain, x):
        def past(*settings, score="paper"):
            return traces.trajectory_gradient(model, chain, x, None, *settings, score)

        return (
            two_step_gradient(model, chain, x).gradient,
            past(1, 1.0).gradient,
            past(5, 0.0).gradient,
            past(None, 0.0).gradient,
            past(5, 1.0).gradient,
        )

    two_step, *same, other = (flat(g) for g in run(model, chain, x))
    for found in same:
        np.testing.assert_allclose(found, two_step, rtol=1e-12, atol=1e-14)
    assert np.abs(other - two_step).max() > 1e-3


def test_baseline_takes_variance_away(x64, data):
    """At the exact score: the mean is that of the two-step rule, the spread smaller."""
    system = reference.random_system("softmax")
    chains = reference.stationary_trajectories("softmax")
    model, x = reference.to_model(system), jnp.asarray(data)
    pieces = jax.tree.map(lambda a: a[:, :128], chains)

    @jax.jit
    @jax.vmap
    def run(chain):
        with_baseline = traces.trajectory_gradient(model, chain, x).gradient
        plain = two_step_gradient(model, chain, x, None, "exact").gradient
        return with_baseline.w_bar, plain.w_bar

    with_baseline, plain = run(pieces)
    assert np.var(with_baseline, axis=0).sum() < 0.7 * np.var(plain, axis=0).sum()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0, 1.0), "horizon=0"),
        ((30, 1.0), "horizon=30: expected less than the 30"),
        ((None, 1.0), "horizon=None: expected a trace below 1"),
        ((4, 1.5), "trace=1.5"),
    ],
)
def test_bad_arguments(unchecked, data, settings, message):
    system = reference.random_system("sigmoid")
    arguments = reference.to_model(system), short_chain(system), jnp.asarray(data)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(
            lambda *a: traces.trajectory_gradient(*a, None, *settings), *arguments
        )
