import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from nelc_jax import chain, exact, likelihood, model

SPREAD = 0.1  # The tolerated error of the fitted exponents, see `test_converges`.


def log_p(system, data):
    law = reference.visible_law(system)
    return np.log([law[k] for k in reference.codes(data)])


def test_occupancy_estimate_of_exact_law(x64, system, data):
    occupancy = jnp.asarray(reference.latent_law(system))
    found = likelihood.occupancy_log_prob(
        reference.to_model(system), occupancy, jnp.asarray(data)
    )
    np.testing.assert_allclose(found, log_p(system, data), rtol=1e-12)


def test_zero_weights(x64, system, data):
    """States of weight zero may as well not be there."""
    model = reference.to_model(system)
    A = reference.forward_matrix(system)
    occupancy = np.zeros(len(A))
    occupancy[[0, 2]] = 0.25, 0.75
    found = likelihood.occupancy_log_prob(
        model, jnp.asarray(occupancy), jnp.asarray(data)
    )
    expected = np.log(0.25 * A[0] + 0.75 * A[2])[reference.codes(data)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_responsibilities(x64, system, data):
    A, p_bar = reference.forward_matrix(system), reference.latent_law(system)
    joint = p_bar[:, None] * A
    expected = (joint / joint.sum(0)).T[reference.codes(data)]
    log_A = jnp.asarray(np.log(A).T[reference.codes(data)])
    found_log_p, found = likelihood.responsibilities(jnp.log(p_bar), log_A)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(found_log_p, log_p(system, data), rtol=1e-12)
    mixture = likelihood.mixture_log_prob(jnp.log(p_bar), log_A)
    np.testing.assert_allclose(mixture, found_log_p, rtol=1e-14)


def test_estimates_of_one_chain_agree(x64, space, data):
    """On the fly, by occupancy, and accumulated along the chain: the same numbers."""
    model, x = reference.to_model(space), jnp.asarray(data)
    key, start, num_steps = jax.random.key(0), x[0], 130

    @jax.jit
    def run(key):
        _, trajectory = chain.sample_chain(model, key, start, num_steps)
        along = likelihood.chain_log_prob(model, key, start, num_steps, x)
        return (
            trajectory.z,
            along,
            likelihood.trajectory_log_prob(model, trajectory.z, x),
        )

    z, along, on_the_fly = run(key)
    A = reference.forward_matrix(space)
    counts = reference.histogram(reference.latent_codes(space, z), len(A))
    expected = np.log((counts / num_steps) @ A)[reference.codes(data)]
    np.testing.assert_allclose(on_the_fly, expected, rtol=1e-12)
    np.testing.assert_allclose(along, expected, rtol=1e-12)
    if model.latent.enumerable:
        occupancy = jnp.asarray(counts / num_steps)
        found = likelihood.occupancy_log_prob(model, occupancy, x)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_converges(space, data):
    """Chains of growing length: the error falls as 1 / sqrt(T)."""
    trajectory = reference.stationary_trajectories(space)
    A = reference.forward_matrix(space)
    visits = reference.latent_codes(space, trajectory.z)
    lengths, errors = (100, 1000, 10_000), []
    for length in lengths:
        pieces = visits.reshape(-1, length)
        occupancy = np.stack([np.mean(pieces == k, axis=1) for k in range(len(A))], 1)
        found = np.log(occupancy @ A)[:, reference.codes(data)]
        errors.append(np.sqrt(np.mean((found - log_p(space, data)) ** 2)))
    # Sixteen pieces of the largest length, each with a few independent numbers: the
    # logarithm of their mean square has a standard deviation of about 0.2, the slope
    # over two decades one of 0.2 / 2 / ln(100) = 0.02.
    slope = reference.log_log_slope(lengths, errors)
    assert abs(slope + 0.5) < SPREAD


@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_extreme_weights(kind, scale, data):
    """Conditionals of 0 and 1 in single precision: very low, but finite, likelihoods."""
    system = reference.random_system(kind)
    system = system.replace(w=scale * system.w, w_bar=scale * system.w_bar)
    model, x = reference.to_model(system), jnp.asarray(data)
    assert model.x_mean.dtype == jnp.float32
    along = jax.jit(lambda key: likelihood.chain_log_prob(model, key, x[0], 70, x))(
        jax.random.key(0)
    )
    assert np.isfinite(along).all()
    assert (along <= 0).all()
    states = model.latent.states()
    occupancy = jnp.full(len(states), 1 / len(states))
    found = likelihood.occupancy_log_prob(model, occupancy, x)
    z = reference.latent_states(system)
    logits = z @ system.w.T + system.a
    on = -np.logaddexp(0, -logits) @ data.T
    off = -np.logaddexp(0, logits) @ (1 - data).T
    expected = np.logaddexp.reduce(on + off) - np.log(len(z))
    # Rounding of logits of size `scale`.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * scale)


def test_exact_is_limit(x64, system, data):
    """`exact.log_likelihood` is the mean of the exact-occupancy estimate."""
    built: model.Model = reference.to_model(system)
    found = exact.log_likelihood(built, jnp.asarray(data))
    np.testing.assert_allclose(found, log_p(system, data).mean(), rtol=1e-12)
