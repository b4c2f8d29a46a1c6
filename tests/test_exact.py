import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from nelc_jax import exact
from nelc_jax.model import Model


@pytest.fixture
def model(x64, system):
    return reference.to_model(system)


def test_visible_states():
    np.testing.assert_array_equal(exact.visible_states(5), reference.bit_rows(5))
    for size in (0, 17):
        with pytest.raises(ValueError, match=f"num_visible={size}"):
            exact.visible_states(size)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("forward_matrix", reference.forward_matrix),
        ("backward_matrix", reference.backward_matrix),
        ("latent_kernel", reference.latent_kernel),
        ("latent_distribution", reference.latent_law),
        ("visible_distribution", reference.visible_law),
    ],
)
def test_matrices_and_laws(model, system, name, expected):
    found = getattr(exact, name)(model)
    np.testing.assert_allclose(found, expected(system), rtol=1e-11)
    np.testing.assert_allclose(np.sum(found, axis=-1), 1, rtol=1e-13)


def test_log_likelihood(model, system, data):
    found = exact.log_likelihood(model, jnp.asarray(data))
    np.testing.assert_allclose(found, reference.log_likelihood(system, data))


def test_log_likelihood_derivative(model, system, data):
    """Through p_bar too, against central differences of the brute force."""
    x = jnp.asarray(data)

    def total(parameters):
        return exact.log_likelihood(Model(parameters, model.x_mean, model.latent), x)

    gradient = jax.jit(jax.grad(total))(model.parameters)
    step = 1e-5
    names = ("w", "a", "w_bar", "a_bar")
    for name, found in zip(names, reference.leaves(gradient), strict=True):
        value = getattr(system, name)
        for site in list(np.ndindex(value.shape))[::3]:
            moved = []
            for sign in (1, -1):
                other = value.copy()
                other[site] += sign * step
                moved.append(
                    reference.log_likelihood(system.replace(**{name: other}), data)
                )
            expected = (moved[0] - moved[1]) / (2 * step)
            # Truncation step^2, and rounding 1e-15 / step of the differences.
            np.testing.assert_allclose(found[site], expected, atol=1e-8)


def test_two_step_form_is_exact(model, data):
    """Eq. 12 with the stationary p(x') is the likelihood itself."""
    x = jnp.asarray(data)
    found = exact.two_step_log_likelihood(model, exact.visible_distribution(model), x)
    np.testing.assert_allclose(found, exact.log_likelihood(model, x), rtol=1e-12)


@pytest.mark.parametrize("reading", ["paper", "exact"])
def test_two_step_gradient(model, system, data, reading):
    found = reference.leaves(exact.two_step_gradient(model, jnp.asarray(data), reading))
    expected = reference.two_step_gradient(system, data, reading)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-10, atol=1e-12)


def test_two_step_gradient_is_derivative(model, system, data):
    """The derivative of eq. 12 with p(x') held fixed."""
    x, law = jnp.asarray(data), exact.visible_distribution(model)

    def total(parameters):
        changed = Model(parameters, model.x_mean, model.latent)
        return exact.two_step_log_likelihood(changed, law, x)

    expected = reference.leaves(jax.jit(jax.grad(total))(model.parameters))
    found = reference.leaves(exact.two_step_gradient(model, x, "exact"))
    for k, (f, e) in enumerate(zip(found, expected, strict=True)):
        if k == 1 and system.kind != "binary":
            # Eq. 20: a is redundant, and stays where it is.
            np.testing.assert_array_equal(f, 0)
        else:
            np.testing.assert_allclose(f, e, rtol=1e-10, atol=1e-12)


def test_two_step_gradient_is_approximate(model, system, data):
    """Away from the maximum the rule is not the exact gradient: p_bar responds."""
    x = jnp.asarray(data)

    def total(parameters):
        return exact.log_likelihood(Model(parameters, model.x_mean, model.latent), x)

    full = reference.leaves(jax.jit(jax.grad(total))(model.parameters))
    two_step = reference.leaves(exact.two_step_gradient(model, x, "exact"))
    for k in (0, 2, 3):
        assert abs(full[k] - two_step[k]).max() > 0.02 * abs(full[k]).max()
