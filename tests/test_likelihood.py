import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import chain, likelihood
from nelc_jax._bernoulli import mixture_log_prob, responsibilities

from . import reference
from .trajectories import stationary_trajectories

SPREAD = 0.1  # The tolerated error of the fitted exponents, see `test_converges`.


def log_p(system, data):
    law = reference.visible_law(system)
    return np.log([law[k] for k in reference.codes(data)])


def test_mixtures(x64, system, data):
    """With the exact p_bar, and with states of weight zero."""
    A, p_bar = reference.forward_matrix(system), reference.latent_law(system)
    some = np.zeros(len(A))
    some[[0, 2]] = 0.25, 0.75
    log_A = np.log(A).T[reference.codes(data)]

    @jax.jit
    def run(model, occupancy, log_A, x):
        log_weights = jnp.log(occupancy)
        return (
            likelihood.occupancy_log_prob(model, occupancy, x),
            mixture_log_prob(log_weights, log_A),
            *responsibilities(log_weights, log_A.T),
        )

    for occupancy in (p_bar, some):
        *log_p, r = run(
            reference.to_model(system),
            *(jnp.asarray(value) for value in (occupancy, log_A, data)),
        )
        joint = (occupancy[:, None] * A)[:, reference.codes(data)]
        for found in log_p:
            np.testing.assert_allclose(found, np.log(joint.sum(0)), rtol=1e-12)
        np.testing.assert_allclose(r, joint / joint.sum(0), rtol=1e-12)


def test_estimates_of_one_chain_agree(x64, space, data):
    """On the fly, by occupancy, and accumulated along the chain: the same numbers."""
    model, x = reference.to_model(space), jnp.asarray(data)
    key, start, num_steps = jax.random.key(0), x[0], 64

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


def test_converges(x64, space, data):
    """Chains of growing length: the error falls as 1 / sqrt(T)."""
    trajectory = stationary_trajectories(space)
    A = reference.forward_matrix(space)
    visits = reference.latent_codes(space, trajectory.z)
    lengths, errors = (2**7, 2**11, 2**15), []
    for length in lengths:
        pieces = visits.reshape(-1, length)
        occupancy = np.stack([np.mean(pieces == k, axis=1) for k in range(len(A))], 1)
        found = np.log(occupancy @ A)[:, reference.codes(data)]
        errors.append(np.sqrt(np.mean((found - log_p(space, data)) ** 2)))
    # 32 pieces of the largest length, each with a few independent numbers: the error is
    # known to 10 per cent or better, the slope over a factor of 256 to 0.02.
    slope = reference.log_log_slope(lengths, errors)
    assert abs(slope + 0.5) < SPREAD


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_extreme_weights(scale, data):
    """Conditionals of 0 and 1 in single precision: low, but finite, likelihoods."""
    system = reference.random_system("sigmoid")
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


@pytest.mark.parametrize("weights", [(0.4, 0.6, 0), (0, 1, 0), (0, 0.3, 0.7)])
def test_derivative_by_a_weight_of_zero(x64, data, weights):
    """d ln p(x) / d weight_k = A[z_k, x] / p(x), and second derivatives."""
    system = reference.random_system("sigmoid")
    model, x = reference.to_model(system), jnp.asarray(data)
    A = reference.forward_matrix(system)[:, reference.codes(data)]
    p = np.asarray(weights) @ A

    def log_p(weights):
        return likelihood.occupancy_log_prob(model, weights, x)

    first, second = jax.jit(
        lambda w: (jax.jacrev(log_p)(w), jax.jacfwd(jax.jacrev(log_p))(w))
    )(jnp.asarray(weights, float))
    np.testing.assert_allclose(first, (A / p).T, rtol=1e-10)
    np.testing.assert_allclose(
        second, -np.einsum("km,lm->mkl", A / p, A / p), rtol=1e-10
    )


def test_a_chain_refuses_to_be_differentiated(data):
    """Its draws have no derivative, and the rest of one is another number."""
    model = reference.to_model(reference.random_system("sigmoid"))
    x = jnp.asarray(data)

    def mean(model):
        return likelihood.chain_log_prob(model, jax.random.key(0), x[0], 8, x).mean()

    with pytest.raises(TypeError, match="chain_log_prob: expected not to be"):
        jax.jit(jax.grad(mean))(model)
