from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nelc_jax.oscillators import Bath, Generation, Noising, NormalMixture, refine

from .systems import GENERATION, NOISING

MEANS = np.array([[1.0, 0.5], [-1.2, 0.3]])
WEIGHTS = np.array([0.7, 0.3])


def mixture():
    log_weights = jnp.log(jnp.asarray(WEIGHTS))
    return NormalMixture(jnp.asarray(MEANS), jnp.asarray(0.09), log_weights)


def score(time, x):
    return jax.grad(mixture().noised(NOISING, time).log_density)(x)


@jax.jit
def moments(time):
    """alpha and s at a noising time."""
    return NOISING.decay(time), NOISING.spread(time)


def test_noising_times_are_checked():
    with pytest.raises(ValueError, match="expected stiffness > 0 and 0 < earliest"):
        Noising(earliest=0.0)
    with pytest.raises(ValueError, match=r"latest=0\.1"):
        Noising(latest=0.1, earliest=0.2)


@pytest.mark.usefixtures("x64")
def test_geometric_times():
    times = jax.jit(NOISING.geometric_times, static_argnums=0)(7)
    np.testing.assert_allclose(times[::6], [NOISING.latest, NOISING.earliest])
    np.testing.assert_allclose(times[1:] / times[:-1], times[1] / times[0])


@pytest.mark.usefixtures("x64")
def test_moments_obey_the_equation_of_motion():
    """d alpha / dt = -mu kappa alpha and d s^2 / dt = -2 mu kappa s^2 + 2 mu kT."""
    time = jnp.asarray(0.4)

    @jax.jit
    def with_slopes(time):
        alpha = jax.value_and_grad(NOISING.decay)(time)
        return alpha, jax.value_and_grad(lambda t: NOISING.spread(t) ** 2)(time)

    mu, kT = NOISING.bath.mobility, NOISING.bath.temperature
    (alpha, of_alpha), (variance, of_variance) = with_slopes(time)
    rate = mu * NOISING.stiffness
    np.testing.assert_allclose(of_alpha, -rate * alpha, rtol=1e-12)
    expected = -2 * rate * variance + 2 * mu * kT
    np.testing.assert_allclose(of_variance, expected, rtol=1e-12)
    np.testing.assert_allclose(moments(jnp.asarray(0.0))[1], 0)


@pytest.mark.usefixtures("x64")
def test_noise():
    """Moments follow from the definition; the score is that of the conditional law."""
    rng = np.random.default_rng(0)
    points, normals = (jnp.asarray(rng.normal(size=(3, 2))) for _ in range(2))
    times = jnp.asarray([0.1, 0.3, 2.0])
    noised, conditional = jax.jit(NOISING.noise)(normals, points, times)
    alpha, s = (moment[:, None] for moment in moments(times))
    chex.assert_trees_all_close(noised, alpha * points + s * normals, rtol=1e-12)
    expected = -(noised - alpha * points) / s**2
    chex.assert_trees_all_close(conditional, expected, rtol=1e-9)


@pytest.mark.usefixtures("x64")
def test_density_of_a_noised_mixture():
    time, x = jnp.asarray(0.3), np.array([0.4, 0.1])
    alpha, s = map(float, moments(time))
    expected = sum(
        weight * stats.multivariate_normal(alpha * mean, alpha**2 * 0.09 + s**2).pdf(x)
        for weight, mean in zip(WEIGHTS, MEANS, strict=True)
    )
    found = jax.jit(lambda time, x: mixture().noised(NOISING, time).log_density(x))(
        time, jnp.asarray(x)
    )
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-10)


@pytest.mark.usefixtures("x64")
def test_times_are_inverse_and_run_backwards():
    times = jnp.asarray([3.0, 1.0, 0.05])
    protocol = jax.jit(GENERATION.protocol_time)(times)
    np.testing.assert_allclose(np.asarray(protocol)[::2], [0, 1.7], atol=1e-12)
    chex.assert_trees_all_close(jax.jit(GENERATION.noising_time)(protocol), times)


@partial(jax.jit, static_argnums=0)
def fokker_planck_residual(generation, energy_factor):
    """d p / d tau + div(mu' F p) - mu' kT' lap p at some points, over p."""
    bath = generation.bath

    def density(tau, x):
        law = mixture().noised(NOISING, generation.noising_time(tau))
        return jnp.exp(law.log_density(x))

    def flux(tau, x):
        of_time = score(generation.noising_time(tau), x)
        F = generation.reverse_force(x, energy_factor * of_time)
        gradient = jax.grad(density, 1)(tau, x)
        return bath.mobility * (F * density(tau, x) - bath.temperature * gradient)

    def residual(tau, x):
        divergence = jnp.trace(jax.jacfwd(flux, 1)(tau, x))
        return (jax.grad(density)(tau, x) + divergence) / density(tau, x)

    rng = np.random.default_rng(0)
    tau = jnp.asarray(rng.uniform(0.2, 1.6, 20))
    return jax.vmap(residual)(tau, jnp.asarray(rng.normal(size=(20, 2))))


@pytest.mark.usefixtures("x64")
def test_reverse_force_solves_the_fokker_planck_equation():
    """In another bath and another time; a force one percent off must not."""
    np.testing.assert_allclose(fokker_planck_residual(GENERATION, 1.0), 0, atol=1e-9)
    assert np.abs(fokker_planck_residual(GENERATION, 1.01)).max() > 1e-3


@pytest.mark.usefixtures("x64")
def test_generation_starts_in_a_trap():
    """Where p_t is the equilibrium of the noising trap, F is a trap's as well."""
    x = jnp.asarray([0.4, -1.0])
    equilibrium = -NOISING.stiffness / NOISING.bath.temperature * x
    found = jax.jit(GENERATION.reverse_force)(x, equilibrium)
    chex.assert_trees_all_close(found, -GENERATION.trap_stiffness * x, rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_exact_forces_generate_the_data():
    """In the other bath and time: the law of the mixture; a hotter bath must fail."""
    # Late enough that next to nothing of the data is left where generation starts.
    noising = Noising(1.3, NOISING.bath, 0.05, 5.0)
    generation = Generation(noising, GENERATION.bath, 1.7)

    @jax.jit
    def generated(temperature):
        bath = Bath(GENERATION.bath.mobility, temperature)
        times = refine(generation.protocol_time(noising.geometric_times(60)), 6)

        def force_at(tau, x):
            return generation.reverse_force(x, score(generation.noising_time(tau), x))

        def one(key):
            start, move = jax.random.split(key)
            x = bath.equilibrate(start, generation.trap_stiffness, 2)
            normals = jax.random.normal(move, (len(times) - 1, 2))
            return bath.euler_maruyama(force_at, normals, x, times)[-1]

        return jax.vmap(one)(jax.random.split(jax.random.key(2), 2000))

    alpha, s = map(float, moments(jnp.asarray(NOISING.earliest)))
    deviation = np.sqrt(alpha**2 * 0.09 + s**2)

    def cdf(v):
        laws = [stats.norm(alpha * mean[0], deviation).cdf(v) for mean in MEANS]
        return WEIGHTS @ np.stack(laws)

    def p_value(temperature):
        x = np.asarray(generated(jnp.asarray(temperature)))
        return stats.kstest(x[:, 0], cdf).pvalue

    assert p_value(GENERATION.bath.temperature) > 0.01
    assert p_value(2 * GENERATION.bath.temperature) < 1e-6
