import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.oscillators import QuarticWell, TwoState

pytestmark = pytest.mark.usefixtures("x64")

LEVELS = np.array([-20.0, -1.3, 0.0, 0.4, 3.0, 12.0])
ELEMENTS = [TwoState(), QuarticWell(), QuarticWell(-3.0, 5.0)]


def moments(well, u):
    """ln Z, mean and variance of h from a grid a thousand times as fine."""
    h = np.linspace(-4, 4, 40_001)
    exponent = u * h - well.stiffness * h**2 / 2 - well.quartic * h**4 / 4
    weights = np.exp(exponent - exponent.max())
    z, first, second = (np.sum(weights * h**power) for power in range(3))
    mean = first / z
    return np.log(z) + exponent.max(), mean, second / z - mean**2


@pytest.mark.parametrize("well", ELEMENTS[1:])
def test_wells_against_a_finer_grid(well):
    expected = np.array([moments(well, float(u)) for u in LEVELS])
    partition, mean, response = (
        np.asarray(jax.jit(function)(LEVELS))
        for function in (well.log_partition, well.mean, well.response)
    )
    # ln Z is known but for a constant.
    difference = partition - expected[:, 0]
    np.testing.assert_allclose(difference, difference[2], atol=1e-4)
    np.testing.assert_allclose(mean, expected[:, 1], atol=1e-4)
    np.testing.assert_allclose(response, expected[:, 2], atol=1e-4)


@pytest.mark.parametrize("element", ELEMENTS)
def test_mean_and_response_are_derivatives(element):
    """Of what is computed, to rounding: forces and energies fit together."""

    @jax.jit
    @jax.vmap
    def both(u):
        return (
            (element.mean(u), jax.grad(element.log_partition)(u)),
            (element.response(u), jax.grad(element.mean)(u)),
        )

    for found, expected in both(LEVELS):
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("element", ELEMENTS)
def test_draws_have_mean_and_variance(element):
    """To 5 standard errors; draws in half of the field must not."""
    num = 20_000
    u = jnp.asarray([-0.6, 0.0, 0.9])

    @jax.jit
    def draw(u):
        return element.draw(jax.random.key(3), jnp.broadcast_to(u, (num, 3)))

    mean, variance = element.mean(u), np.asarray(element.response(u))
    error = 5 * np.sqrt(variance / num)
    h = np.asarray(draw(u))
    assert (np.abs(h.mean(0) - mean) < error).all()
    # States are within 2 of 0: the variance of their squares is below 16.
    assert (np.abs(h.var(0) - variance) < 5 * np.sqrt(16 / num)).all()
    wrong = np.abs(np.asarray(draw(u / 2)).mean(0) - mean)
    assert (wrong[[0, 2]] > error[[0, 2]]).all()


def test_a_well_confines():
    with pytest.raises(ValueError, match=r"quartic=-1\.0: expected a positive"):
        QuarticWell(1.0, -1.0)
