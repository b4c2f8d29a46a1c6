from functools import partial

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from nelc_jax import gradient, latent
from nelc_jax.chain import Trajectory

READINGS = ("paper", "exact")


def short_trajectory(system, num_steps=40, seed=0):
    """Any states will do: the gradient is a function of the trajectory."""
    rng = np.random.default_rng(seed)
    states = reference.latent_states(system)
    # One state is never visited.
    visits = rng.integers(1, len(states), num_steps)
    x = rng.random((num_steps, len(system.a))) < 0.5
    return Trajectory(jnp.asarray(x), jnp.asarray(states[visits], bool))


@pytest.mark.parametrize("reading", READINGS)
def test_equals_brute_force_on_trajectory(x64, space, data, reading):
    trajectory = short_trajectory(space)
    model = reference.to_model(space)
    found = gradient.two_step_gradient(
        model, trajectory, jnp.asarray(data), score=reading
    )
    expected = reference.trajectory_gradient(
        space, trajectory.x, trajectory.z, data, reading
    )
    for f, e in zip(reference.leaves(found.gradient), expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-13)
    assert found.finite

    A = reference.forward_matrix(space)
    visits = reference.latent_codes(space, trajectory.z)
    log_p = np.log(A[visits].mean(0))[reference.codes(data)]
    np.testing.assert_allclose(found.log_likelihood, log_p.mean(), rtol=1e-12)


def test_unvisited_state_is_not_updated(x64):
    system = reference.random_system("sigmoid")
    trajectory = short_trajectory(system)
    assert not trajectory.z[:, 0].any()
    found = gradient.two_step_gradient(
        reference.to_model(system), trajectory, jnp.ones((1, 5), bool), score="exact"
    )
    np.testing.assert_array_equal(found.gradient.w[:, 0], 0)
    assert (abs(found.gradient.w[:, 1:]) > 1e-6).any(0).all()


@pytest.mark.parametrize("reading", READINGS)
def test_supports_agree(x64, monkeypatch, data, reading):
    """Counted occupancies of all states, and the visited states one by one."""
    system = reference.random_system("binary")
    model, trajectory = reference.to_model(system), short_trajectory(system)

    def run():
        return gradient.two_step_gradient(
            model, trajectory, jnp.asarray(data), score=reading
        )

    enumerated = run()
    monkeypatch.setattr(latent, "MAX_ENUMERATED", 1)
    assert not model.latent.enumerable
    for f, e in zip(jax.tree.leaves(run()), jax.tree.leaves(enumerated), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-14)


def test_weights(x64, space, data):
    """Padding of weight zero changes nothing; other weights weigh the data points."""
    trajectory, model = short_trajectory(space), reference.to_model(space)

    def run(x, weights=None):
        found = gradient.two_step_gradient(
            model,
            trajectory,
            jnp.asarray(x),
            None if weights is None else jnp.asarray(weights),
        )
        return [found.log_likelihood, *reference.leaves(found.gradient)]

    plain = run(data)
    padding = 1 - np.concatenate([data, data])[:3]
    padded = run(np.concatenate([data, padding]), [0.25] * 4 + [0.0] * 3)
    for f, e in zip(padded, plain, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-15)
    # Weights that are not all equal act like repeated points.
    weighted = run(data[:2], [0.75, 0.25])
    repeated = run(data[[0, 0, 0, 1]])
    for f, e in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-15)


def mean_error(estimates, expected):
    """The largest error of the mean of estimates, in standard errors, over components.

    Components that are fixed at zero have no error.
    """
    spread = estimates.std(0, ddof=1) / np.sqrt(len(estimates))
    free = spread > 0
    assert (estimates == expected)[:, ~free].all()
    return np.max(abs(estimates.mean(0) - expected)[free] / spread[free])


def test_converges_to_enumerated(x64, space, data):
    """The stochastic gradient tends to eq. 16-17, with an error of 1 / sqrt(T)."""
    model, x = reference.to_model(space), jnp.asarray(data)
    lengths = (1000, 10_000, 100_000)
    chains = reference.stationary_trajectories(space, 10, lengths[-1])

    def both_readings(trajectory):
        results = [
            gradient.two_step_gradient(model, trajectory, x, score=reading).gradient
            for reading in READINGS
        ]
        return [jax.flatten_util.ravel_pytree(g)[0] for g in results]

    @partial(jax.jit, static_argnums=1)
    def estimates(chains, length):
        pieces = jax.tree.map(lambda a: a.reshape(-1, length, a.shape[-1]), chains)
        return jax.vmap(both_readings)(pieces)

    expected = [
        reference.flat(reference.two_step_gradient(space, data, reading))
        for reading in READINGS
    ]
    found = [estimates(chains, length) for length in lengths]
    for k in range(2):
        series = [np.asarray(f[k]) for f in found]
        errors = [np.sqrt(np.mean((s - expected[k]) ** 2)) for s in series]
        # Ten chains of the largest length and about ten independent components: the
        # slope over two decades has a standard deviation of about 0.02.
        assert abs(reference.log_log_slope(lengths, errors) + 0.5) < 0.1
        # A ratio of averages has a bias of order 1 / T: at T = 1e4 it is below the
        # standard error 1 / sqrt(1e6) of the mean of 100 pieces.
        assert mean_error(series[1], expected[k]) < 4.5
        # Control: the limit of a system with w_bar off by a tenth.
        other = reference.two_step_gradient(
            space.replace(w_bar=0.9 * space.w_bar), data, READINGS[k]
        )
        assert mean_error(series[1], reference.flat(other)) > 4.5
    if space.kind != "binary":
        assert mean_error(np.asarray(found[1][0]), expected[1]) > 4.5


def test_not_finite(data):
    """A parameter that is not a number is reported."""
    system = reference.random_system("sigmoid")
    trajectory, x = short_trajectory(system), jnp.asarray(data)
    for name in ("w", "w_bar"):
        broken = system.replace(**{name: np.nan * getattr(system, name)})
        found = gradient.two_step_gradient(reference.to_model(broken), trajectory, x)
        assert not found.finite
    found = gradient.two_step_gradient(reference.to_model(system), trajectory, x)
    assert found.finite


def test_extreme_weights(data):
    """In single precision, with conditionals that underflow, all stays finite."""
    for kind in ("sigmoid", "softmax", "binary"):
        system = reference.random_system(kind)
        system = system.replace(w=1e3 * system.w, w_bar=1e3 * system.w_bar)
        found = gradient.two_step_gradient(
            reference.to_model(system), short_trajectory(system), jnp.asarray(data)
        )
        for leaf in jax.tree.leaves(found):
            assert np.isfinite(leaf).all()


def test_unknown_score(unchecked, data):
    system = reference.random_system("sigmoid")
    with pytest.raises(ValueError, match="score='other'"):
        gradient.two_step_gradient(
            reference.to_model(system),
            short_trajectory(system),
            jnp.asarray(data),
            score="other",
        )
