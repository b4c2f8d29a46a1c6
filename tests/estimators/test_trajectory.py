"""Gradients along a trajectory: the two-step rule, and more of the past."""

import itertools

import chex
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import TrajectoryGradient

from .. import reference
from ..trajectories import short_trajectory, stationary_trajectories

READINGS = ("paper", "exact")
TWO_STEP = {score: TrajectoryGradient(score=score) for score in READINGS}
DISCOUNT = 0.6


def past(horizon, discount=1.0, score="exact"):
    return TrajectoryGradient(score=score, horizon=horizon, discount=discount)


def flat(gradient):
    return jax.flatten_util.ravel_pytree(gradient)[0]


@jax.jit
def both_readings(model, trajectory, x):
    return {r: TWO_STEP[r].estimate(model, trajectory, x) for r in READINGS}


@pytest.mark.usefixtures("x64")
def test_two_step_rule_by_brute_force(space, data):
    trajectory, model = short_trajectory(space), reference.to_model(space)
    found = both_readings(model, trajectory, jnp.asarray(data))
    for reading in READINGS:
        expected = reference.trajectory_gradient(
            space, trajectory.x, trajectory.z, data, reading
        )
        leaves = reference.leaves(found[reading].gradient)
        chex.assert_trees_all_close(leaves, expected, rtol=1e-11, atol=1e-13)
        assert found[reading].finite
        if space.kind != "binary":
            np.testing.assert_array_equal(leaves[0][:, 0], 0)
            assert (abs(leaves[0][:, 1:]) > 1e-6).any(0).all()

        A = reference.forward_matrix(space)
        visits = reference.latent_codes(space, trajectory.z)
        log_p = np.log(A[visits].mean(0))[reference.codes(data)]
        likelihood = found[reading].log_likelihood
        np.testing.assert_allclose(likelihood, log_p.mean(), rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_supports_agree(data):
    """Counted occupancies of all states, and the visited states one by one."""
    enumerated, sampled = (reference.random_system(k) for k in ("binary", "sampled"))
    arguments = short_trajectory(enumerated), jnp.asarray(data)
    assert not reference.to_model(sampled).latent.enumerable
    chex.assert_trees_all_close(
        *(
            both_readings(reference.to_model(s), *arguments)
            for s in (sampled, enumerated)
        ),
        rtol=1e-11,
        atol=1e-14,
    )


def past_gradient(system, data, horizon, discount):
    """Its mean by enumeration: sums over k of (discount M)^k (g - 1), k < K."""
    A, A_bar = reference.forward_matrix(system), reference.backward_matrix(system)
    p_bar, p = reference.latent_law(system), reference.visible_law(system)
    states, visible = reference.latent_states(system), reference.bit_rows(5)
    g = np.mean([A[:, k] / p[k] for k in reference.codes(data)], axis=0)
    powers = [np.linalg.matrix_power(discount * A @ A_bar, k) for k in range(horizon)]
    later = sum((power @ (g - 1) for power in powers[1:]), np.zeros_like(g))
    came = discount * sum((power @ (g - 1) for power in powers[:-1]), np.zeros_like(g))
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


def mean_error(estimates, expected):
    """The largest error of the mean of estimates, in standard errors, over components.

    Components that are fixed at zero have no error.
    """
    spread = estimates.std(0, ddof=1) / np.sqrt(len(estimates))
    free = spread > 0
    assert (estimates == expected)[:, ~free].all()
    return np.max(abs(estimates.mean(0) - expected)[free] / spread[free])


@pytest.mark.usefixtures("x64")
def test_two_step_rule_converges(space, data):
    """The stochastic gradient tends to eq. 16-17, with an error of 1 / sqrt(T)."""
    lengths = (2**10, 2**15)
    chains = stationary_trajectories(space)

    @jax.jit
    def estimates(model, pieces, x):
        def one(piece):
            found = both_readings(model, piece, x)
            return {r: flat(found[r].gradient) for r in READINGS}

        return jax.vmap(one)(pieces)

    def pieces(length):
        return jax.tree.map(lambda a: a.reshape(-1, length, a.shape[-1]), chains)

    model, x = reference.to_model(space), jnp.asarray(data)
    found = [estimates(model, pieces(length), x) for length in lengths]
    expected = {
        reading: reference.flat(reference.two_step_gradient(space, data, reading))
        for reading in READINGS
    }
    perturbed = space.replace(w_bar=0.9 * space.w_bar)
    for reading in READINGS:
        series = [np.asarray(f[reading]) for f in found]
        errors = [np.sqrt(np.mean((s - expected[reading]) ** 2)) for s in series]
        # 32 chains and several independent components: the error at the larger length
        # is known to 5 per cent or so, the slope over a factor of 32 to 0.02.
        assert abs(reference.log_log_slope(lengths, errors) + 0.5) < 0.1
        # A ratio of averages has a bias of order 1 / T: at T = 2^15 it is far below the
        # standard error, of order 1 / sqrt(32 T), of the mean of 32 chains.
        assert mean_error(series[1], expected[reading]) < 4.5
        # Control: the limit of a system with w_bar off by a tenth.
        other = reference.flat(reference.two_step_gradient(perturbed, data, reading))
        assert mean_error(series[1], other) > 4.5
    if space.kind != "binary":
        assert mean_error(np.asarray(found[1]["paper"]), expected["exact"]) > 4.5


@pytest.mark.usefixtures("x64")
def test_past_converges(space, data):
    """K = 4, and all steps with a discount, also where states cannot be enumerated."""
    chains = stationary_trajectories(space)
    model, x = reference.to_model(space), jnp.asarray(data)
    estimators = past(4), past(None, DISCOUNT)

    def estimates(model, chains, x):
        def one(chain):
            found = [e.estimate(model, chain, x).gradient for e in estimators]
            return jnp.stack([flat(each) for each in found])

        return jax.lax.map(one, chains)

    found = np.asarray(jax.jit(estimates)(model, chains, x))
    for i, (settings, others) in enumerate(
        [((4, 1.0), (1, 1.0)), ((60, DISCOUNT), (60, 0.1))]
    ):
        assert mean_error(found[:, i], past_gradient(space, data, *settings)) < 4.5
        # Control: of another horizon, or another discount.
        assert mean_error(found[:, i], past_gradient(space, data, *others)) > 4.5


@pytest.mark.usefixtures("x64")
def test_one_step_and_no_discount_are_the_two_step_rule(space, data):
    model, x, chain = (
        reference.to_model(space),
        jnp.asarray(data),
        short_trajectory(space),
    )
    estimators = [
        TrajectoryGradient(),
        past(5, 0.0, "paper"),
        past(None, 0.0, "paper"),
        past(5, 1.0, "paper"),
    ]

    @jax.jit
    def run(model, chain, x):
        return [flat(e.estimate(model, chain, x).gradient) for e in estimators]

    two_step, *same, other = run(model, chain, x)
    for found in same:
        np.testing.assert_allclose(found, two_step, rtol=1e-12, atol=1e-14)
    assert np.abs(other - two_step).max() > 1e-3


@pytest.mark.usefixtures("x64")
def test_baseline_takes_variance_away(data):
    """At the exact score: the mean is that of the two-step rule, the spread smaller.

    With a discount of zero and the exact score, the future adds the baseline alone.
    """
    system = reference.random_system("softmax")
    chains = stationary_trajectories(system)
    model, x = reference.to_model(system), jnp.asarray(data)
    pieces = jax.tree.map(lambda a: a[:, :128], chains)

    @jax.jit
    @jax.vmap
    def run(chain):
        with_baseline = past(None, 0.0).estimate(model, chain, x).gradient
        plain = TWO_STEP["exact"].estimate(model, chain, x).gradient
        return with_baseline.w_bar, plain.w_bar

    with_baseline, plain = run(pieces)
    assert np.var(with_baseline, axis=0).sum() < 0.7 * np.var(plain, axis=0).sum()


@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
def test_extreme_parameters(data, kind):
    """In single precision: conditionals that underflow stay finite, and NaN shows."""
    system = reference.random_system(kind)

    def results(system):
        model, trajectory = reference.to_model(system), short_trajectory(system)
        return both_readings(model, trajectory, jnp.asarray(data))

    large = system.replace(w=1e3 * system.w, w_bar=1e3 * system.w_bar)
    chex.assert_tree_all_finite(results(large))
    for name in ("w", "w_bar"):
        broken = system.replace(**{name: np.nan * getattr(system, name)})
        assert not any(found.finite for found in results(broken).values())
    assert all(found.finite for found in results(system).values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chain_length": 0}, "chain_length=0"),
        ({"score": "other"}, "score='other'"),
        ({"horizon": 0}, "horizon=0: expected at least 1"),
        ({"horizon": 48}, "horizon=48: expected less than the 48"),
        ({"horizon": None}, "horizon=None: expected a discount below 1"),
        ({"horizon": 4, "discount": 1.5}, "discount=1.5"),
    ],
    ids=str,
)
def test_bad_settings(unchecked, settings, message):
    with pytest.raises(ValueError, match=message):
        TrajectoryGradient(**settings)


def test_a_trajectory_too_short(data):
    system = reference.random_system("sigmoid")
    arguments = reference.to_model(system), short_trajectory(system), jnp.asarray(data)
    with pytest.raises(ValueError, match="horizon=40: expected less than the 40"):
        jax.eval_shape(past(40).estimate, *arguments)
