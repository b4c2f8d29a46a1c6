import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import gradient, latent
from nelc_jax.chain import Trajectory

from . import reference

READINGS = ("paper", "exact")


def short_trajectory(system, num_steps=40):
    """Any states will do: the gradient is a function of the trajectory."""
    rng = np.random.default_rng(0)
    states = reference.latent_states(system)
    # State 0 is never visited.
    visits = rng.integers(1, len(states), num_steps)
    x = rng.random((num_steps, len(system.a))) < 0.5
    h = np.array([reference.field(system, x_t) for x_t in x])
    return Trajectory(
        jnp.asarray(x), jnp.asarray(states[visits], bool), jnp.asarray(h, float)
    )


def both_readings(model, trajectory, x, weights=None):
    """Not compiled before the test: `MAX_ENUMERATED` is no argument."""
    return {
        reading: gradient.two_step_gradient(model, trajectory, x, weights, reading)
        for reading in READINGS
    }


def compiled():
    return jax.jit(lambda *arguments: both_readings(*arguments))


def test_equals_brute_force_on_trajectory(x64, space, data):
    trajectory, model = short_trajectory(space), reference.to_model(space)
    found = compiled()(model, trajectory, jnp.asarray(data))
    for reading in READINGS:
        expected = reference.trajectory_gradient(
            space, trajectory.x, trajectory.z, data, reading
        )
        leaves = reference.leaves(found[reading].gradient)
        for f, e in zip(leaves, expected, strict=True):
            np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-13)
        assert found[reading].finite
        if space.kind != "binary":
            np.testing.assert_array_equal(leaves[0][:, 0], 0)
            assert (abs(leaves[0][:, 1:]) > 1e-6).any(0).all()

        A = reference.forward_matrix(space)
        visits = reference.latent_codes(space, trajectory.z)
        log_p = np.log(A[visits].mean(0))[reference.codes(data)]
        likelihood = found[reading].log_likelihood
        np.testing.assert_allclose(likelihood, log_p.mean(), rtol=1e-12)


def test_supports_agree(x64, monkeypatch, data):
    """Counted occupancies of all states, and the visited states one by one."""
    system = reference.random_system("binary")
    arguments = reference.to_model(system), short_trajectory(system), jnp.asarray(data)
    enumerated = compiled()(*arguments)
    monkeypatch.setattr(latent, "MAX_ENUMERATED", 1)
    assert not arguments[0].latent.enumerable
    sampled = compiled()(*arguments)
    for f, e in zip(jax.tree.leaves(sampled), jax.tree.leaves(enumerated), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-14)


def test_weights(x64, data):
    """Padding of weight zero changes nothing; other weights weigh the data points."""
    system = reference.random_system("binary")
    trajectory, model, run = (
        short_trajectory(system),
        reference.to_model(system),
        compiled(),
    )

    def equal(x):
        return run(model, trajectory, jnp.asarray(x))

    def weighted(x, weights):
        room = 7 - len(x)
        padded = np.concatenate([x, 1 - data, 1 - data])[:7]
        return run(
            model,
            trajectory,
            jnp.asarray(padded, bool),
            jnp.asarray(weights + [0.0] * room),
        )

    # Weights that are not all equal act like repeated points.
    for found, expected in (
        (weighted(data, [0.25] * 4), equal(data)),
        (weighted(data[:2], [0.75, 0.25]), equal(data[[0, 0, 0, 1]])),
    ):
        for f, e in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
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
    lengths = (2**10, 2**15)
    chains = reference.stationary_trajectories(space.kind)
    run = compiled()

    @jax.jit
    def estimates(model, pieces, x):
        results = jax.vmap(lambda piece: run(model, piece, x))(pieces)
        ravel = jax.vmap(lambda g: jax.flatten_util.ravel_pytree(g)[0])
        return {r: ravel(results[r].gradient) for r in READINGS}

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


@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
def test_extreme_parameters(data, kind):
    """In single precision: conditionals that underflow stay finite, and NaN shows."""
    run, system = compiled(), reference.random_system(kind)

    def results(system):
        model, trajectory = reference.to_model(system), short_trajectory(system)
        return run(model, trajectory, jnp.asarray(data)).values()

    large = system.replace(w=1e3 * system.w, w_bar=1e3 * system.w_bar)
    for found in results(large):
        for leaf in jax.tree.leaves(found):
            assert np.isfinite(leaf).all()
    for name in ("w", "w_bar"):
        broken = system.replace(**{name: np.nan * getattr(system, name)})
        assert not any(found.finite for found in results(broken))
    assert all(found.finite for found in results(system))


def test_unknown_score(unchecked, data):
    system = reference.random_system("sigmoid")
    arguments = reference.to_model(system), short_trajectory(system), jnp.asarray(data)
    with pytest.raises(ValueError, match="score='other'"):
        jax.eval_shape(
            lambda *a: gradient.two_step_gradient(*a, score="other"), *arguments
        )
