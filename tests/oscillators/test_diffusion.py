from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nelc_jax.oscillators import diffusion
from nelc_jax.oscillators.bath import Bath, equilibrate, euler_maruyama, refine
from nelc_jax.oscillators.diffusion import Generation, Mixture, Noising

from .systems import GENERATION, NOISING

MEANS = np.array([[1.0, 0.5], [-1.2, 0.3]])
WEIGHTS = np.array([0.7, 0.3])


decay, spread = map(jax.jit, (diffusion.decay, diffusion.spread))


def mixture():
    return Mixture(jnp.asarray(MEANS), jnp.asarray(0.09), jnp.log(jnp.asarray(WEIGHTS)))


def score(time, x):
    return jax.grad(diffusion.log_density, 3)(NOISING, mixture(), time, x)


def test_noising_times_are_checked():
    with pytest.raises(ValueError, match="expected stiffness > 0 and 0 < earliest"):
        Noising(earliest=0.0)
    with pytest.raises(ValueError, match=r"latest=0\.1"):
        Noising(latest=0.1, earliest=0.2)


@pytest.mark.usefixtures("x64")
def test_moments_obey_the_equation_of_motion():
    """d alpha / dt = -mu kappa alpha and d s^2 / dt = -2 mu kappa s^2 + 2 mu kT."""
    time = jnp.asarray(0.4)

    def with_slope(moment):
        return lambda t: map(float, jax.jit(jax.value_and_grad(moment))(t))

    mu, kT = NOISING.bath.mobility, NOISING.bath.temperature
    alpha, change = with_slope(lambda t: diffusion.decay(NOISING, t))(time)
    np.testing.assert_allclose(change, -mu * NOISING.stiffness * alpha, rtol=1e-12)
    variance, change = with_slope(lambda t: diffusion.spread(NOISING, t) ** 2)(time)
    np.testing.assert_allclose(
        change, -2 * mu * NOISING.stiffness * variance + 2 * mu * kT, rtol=1e-12
    )
    np.testing.assert_allclose(spread(NOISING, jnp.asarray(0.0)), 0)


@pytest.mark.usefixtures("x64")
def test_noise_points():
    """Moments follow from the definition; the score is that of the conditional law."""
    rng = np.random.default_rng(0)
    points, normals = (jnp.asarray(rng.normal(size=(3, 2))) for _ in range(2))
    times = jnp.asarray([0.1, 0.3, 2.0])
    found, conditional = map(
        np.asarray, jax.jit(diffusion.noise_points)(NOISING, normals, points, times)
    )
    points, normals = map(np.asarray, (points, normals))
    for row, time in enumerate(map(jnp.asarray, (0.1, 0.3, 2.0))):
        alpha, s = float(decay(NOISING, time)), float(spread(NOISING, time))
        np.testing.assert_allclose(
            found[row], alpha * points[row] + s * normals[row], rtol=1e-12
        )
        np.testing.assert_allclose(
            conditional[row], -(found[row] - alpha * points[row]) / s**2, rtol=1e-9
        )


@pytest.mark.usefixtures("x64")
def test_density_of_a_noised_mixture():
    time, x = jnp.asarray(0.3), np.array([0.4, 0.1])
    alpha, s = float(decay(NOISING, time)), float(spread(NOISING, time))
    expected = sum(
        weight * stats.multivariate_normal(alpha * mean, alpha**2 * 0.09 + s**2).pdf(x)
        for weight, mean in zip(WEIGHTS, MEANS, strict=True)
    )
    log_density = jax.jit(diffusion.log_density)
    found = log_density(NOISING, mixture(), time, jnp.asarray(x))
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-10)


@pytest.mark.usefixtures("x64")
def test_times_are_inverse_and_run_backwards():
    times = jnp.asarray([3.0, 1.0, 0.05])
    protocol = jax.jit(diffusion.protocol_time)(GENERATION, times)
    back = jax.jit(diffusion.noising_time)(GENERATION, protocol)
    np.testing.assert_allclose(np.asarray(protocol)[::2], [0, 1.7], atol=1e-12)
    np.testing.assert_allclose(back, times)


@partial(jax.jit, static_argnums=0)
def fokker_planck_residual(generation, energy_factor):
    """d p / d tau + div(mu' F p) - mu' kT' lap p at some points, over p."""
    bath = generation.bath

    def density(tau, x):
        time = diffusion.noising_time(generation, tau)
        return jnp.exp(diffusion.log_density(NOISING, mixture(), time, x))

    def flux(tau, x):
        time = diffusion.noising_time(generation, tau)
        F = diffusion.reverse_force(generation, x, energy_factor * score(time, x))
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
def test_generation_starts_in_a_pure_trap():
    """Where p_t is the equilibrium of the noising trap, F is a trap's as well."""
    x = jnp.asarray([0.4, -1.0])
    equilibrium = -NOISING.stiffness / NOISING.bath.temperature * x
    np.testing.assert_allclose(
        jax.jit(diffusion.reverse_force)(GENERATION, x, equilibrium),
        -diffusion.trap_stiffness(GENERATION) * x,
        rtol=1e-12,
    )


@pytest.mark.usefixtures("x64")
def test_exact_forces_generate_the_data():
    """In the other bath and time: the law of the mixture; a hotter bath must fail."""
    # Late enough that next to nothing of the data is left where generation starts.
    noising = Noising(1.3, NOISING.bath, 0.05, 5.0)
    generation = Generation(noising, GENERATION.bath, 1.7)
    trap = diffusion.trap_stiffness(generation)

    @jax.jit
    def generated(temperature):
        bath = Bath(GENERATION.bath.mobility, temperature)

        def one(key):
            start, move = jax.random.split(key)
            x = equilibrate(start, bath, trap, 2)
            knots = jnp.geomspace(noising.latest, noising.earliest, 60)
            times = refine(diffusion.protocol_time(generation, knots), 6)
            normals = jax.random.normal(move, (len(times) - 1, 2))

            def force_at(tau, x):
                time = diffusion.noising_time(generation, tau)
                return diffusion.reverse_force(generation, x, score(time, x))

            return euler_maruyama(force_at, bath, normals, x, times)[-1]

        return jax.vmap(one)(jax.random.split(jax.random.key(2), 2000))

    def p_value(temperature):
        x = np.asarray(generated(jnp.asarray(temperature)))
        alpha = float(decay(NOISING, jnp.asarray(NOISING.earliest)))
        s = float(spread(NOISING, jnp.asarray(NOISING.earliest)))
        deviation = np.sqrt(alpha**2 * 0.09 + s**2)

        def cdf(v):
            laws = [stats.norm(alpha * mean[0], deviation).cdf(v) for mean in MEANS]
            return WEIGHTS @ np.stack(laws)

        return stats.kstest(x[:, 0], cdf).pvalue

    assert p_value(GENERATION.bath.temperature) > 0.01
    assert p_value(2 * GENERATION.bath.temperature) < 1e-6
