import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Model, exact

from . import reference

READINGS = ("paper", "exact")
LAWS = {
    "forward_matrix": reference.forward_matrix,
    "backward_matrix": reference.backward_matrix,
    "latent_kernel": reference.latent_kernel,
    "latent_distribution": reference.latent_law,
    "visible_distribution": reference.visible_law,
}


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(5).random((4, 5)) < 0.5


@pytest.fixture(scope="module", params=reference.KINDS)
def case(request, points):
    """A system, and everything that `exact` says about it, compiled together."""
    system = reference.random_system(request.param)

    def everything(model, x):
        law = exact.visible_distribution(model)

        def likelihood(parameters):
            changed = Model(parameters, model.x_mean, model.latent)
            return exact.log_likelihood(changed, x)

        def two_step_likelihood(parameters):
            changed = Model(parameters, model.x_mean, model.latent)
            return exact.horizon_log_likelihood(changed, law, x, 1)

        parameters = model.parameters
        return {
            **{name: getattr(exact, name)(model) for name in LAWS},
            "likelihood": jax.value_and_grad(likelihood)(parameters),
            "two_step_likelihood": jax.value_and_grad(two_step_likelihood)(parameters),
            **{r: exact.two_step_gradient(model, x, r) for r in READINGS},
        }

    with jax.enable_x64(True):
        found = jax.jit(everything)(reference.to_model(system), jnp.asarray(points))
        return system, jax.tree.map(np.asarray, found)


def test_visible_states():
    np.testing.assert_array_equal(exact.visible_states(5), reference.bit_rows(5))
    for size in (0, 17):
        with pytest.raises(ValueError, match=f"num_visible={size}"):
            exact.visible_states(size)


@pytest.mark.parametrize("name", LAWS)
def test_matrices_and_laws(case, name):
    system, found = case
    np.testing.assert_allclose(found[name], LAWS[name](system), rtol=1e-11)
    np.testing.assert_allclose(found[name].sum(-1), 1, rtol=1e-13)


def test_log_likelihood(case, points):
    """And eq. 12, which with the stationary p(x') is the likelihood itself."""
    system, found = case
    expected = reference.log_likelihood(system, points)
    for name in ("likelihood", "two_step_likelihood"):
        np.testing.assert_allclose(found[name][0], expected, rtol=1e-12)


def test_log_likelihood_derivative(case, points):
    """Through p_bar too, against central differences of the brute force."""
    system, found = case
    step = 1e-5
    names = ("w", "a", "w_bar", "a_bar")
    slopes = reference.leaves(found["likelihood"][1])
    for name, slope in zip(names, slopes, strict=True):
        value = getattr(system, name)
        for site in list(np.ndindex(value.shape))[::3]:
            moved = []
            for sign in (1, -1):
                other = value.copy()
                other[site] += sign * step
                changed = system.replace(**{name: other})
                moved.append(reference.log_likelihood(changed, points))
            expected = (moved[0] - moved[1]) / (2 * step)
            # Truncation step^2, and rounding 1e-15 / step of the differences.
            np.testing.assert_allclose(slope[site], expected, atol=1e-8)


@pytest.mark.parametrize("reading", READINGS)
def test_two_step_gradient(case, points, reading):
    system, found = case
    expected = reference.two_step_gradient(system, points, reading)
    leaves = reference.leaves(found[reading])
    chex.assert_trees_all_close(leaves, expected, rtol=1e-12, atol=1e-14)


def test_two_step_gradient_is_derivative(case):
    """The derivative of eq. 12 with p(x') held fixed."""
    system, found = case
    expected = reference.leaves(found["two_step_likelihood"][1])
    pairs = zip(reference.leaves(found["exact"]), expected, strict=True)
    for k, (f, e) in enumerate(pairs):
        if k == 1 and system.kind != "binary":
            # Eq. 20: a is redundant, and stays where it is.
            np.testing.assert_array_equal(f, 0)
        else:
            np.testing.assert_allclose(f, e, rtol=1e-10, atol=1e-12)


def test_two_step_gradient_is_approximate(case):
    """Away from the maximum the rule is not the exact gradient: p_bar responds."""
    _, found = case
    full = reference.leaves(found["likelihood"][1])
    two_step = reference.leaves(found["exact"])
    for k in (0, 2, 3):
        assert abs(full[k] - two_step[k]).max() > 0.02 * abs(full[k]).max()


def massless(a_bar):
    """A model whose last state has a probability of e^-100."""
    system = reference.random_system("sigmoid")
    return system.replace(a_bar=np.asarray(a_bar))


@pytest.mark.parametrize("a_bar", [(0, 0.3, -100), (-100, 0, 0.3), (0.3, -95, 0)])
def test_a_state_without_mass(points, a_bar):
    """What single precision rounds to nothing takes no part, in any derivative."""

    def everything(model, x):
        def at(parameters):
            return Model(parameters, model.x_mean, model.latent)

        def horizon(steps):
            return lambda p: exact.horizon_log_likelihood(at(p), law, x, steps)

        law = exact.visible_distribution(model)
        parameters = model.parameters
        return {
            "two steps": exact.two_step_gradient(model, x, "exact"),
            "literal": exact.two_step_gradient(model, x, "paper"),
            "horizon 1": jax.grad(horizon(1))(parameters),
            "horizon 3": jax.grad(horizon(3))(parameters),
            "likelihood": jax.grad(lambda p: exact.log_likelihood(at(p), x))(
                parameters
            ),
        }

    system = massless(a_bar)
    with jax.enable_x64(True):
        truth = jax.jit(everything)(reference.to_model(system), jnp.asarray(points))
        truth = jax.tree.map(np.asarray, truth)
    model = reference.to_model(system)
    assert exact.latent_distribution(model).min() == 0
    found = jax.jit(everything)(model, jnp.asarray(points))
    # 32 visible states, 3 latent ones: a hundred roundings of terms of order one.
    chex.assert_trees_all_close(found, truth, rtol=1e-4, atol=1e-5)
