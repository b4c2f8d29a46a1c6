import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary, Model, OneHot, Parameters
from nelc_jax.diagnostics import force_times_flux
from nelc_jax.diagnostics.force_times_flux import _work

from .. import reference
from .test_whole_chain import exact

RTOL = 32 * 8 * 15 * np.finfo(float).eps
"""Sums over 32 x 8 states, of products of w with five bits and three units."""


def enumerated(model, system):
    """The mean of the terms over z' ~ p_bar and x ~ A_z', all listed."""
    states = jnp.asarray(reference.latent_states(system))
    x = jnp.asarray(reference.bit_rows(len(system.a)))
    every = jax.vmap(jax.vmap(_work, (None, None, 0)), (None, 0, None))
    law = reference.latent_law(system)[:, None] * reference.forward_matrix(system)
    return np.sum(law * np.asarray(every(model, states, x)))


def test_formula(x64, system):
    """Force times flux is the relative entropy of the fluxes, for eq. 19 as well."""
    found = enumerated(reference.to_model(system), system)
    np.testing.assert_allclose(found, exact(system), rtol=RTOL)


def test_bilinear_form(x64):
    """tr[(w_bar - w^T) (<x z^T>_{x -> z} - <x z^T>_{z -> x})]; not so with eq. 19."""
    for kind in reference.KINDS:
        system = reference.random_system(kind)
        z, x = reference.latent_states(system), reference.bit_rows(len(system.a))
        A, A_bar = reference.forward_matrix(system), reference.backward_matrix(system)
        there = reference.visible_law(system)[:, None] * A_bar
        back = (reference.latent_law(system)[:, None] * A).T
        flux = x.T @ (there - back) @ z
        found = np.trace((system.w_bar - system.w.T) @ flux)
        agrees = np.isclose(found, exact(system), rtol=RTOL)
        assert agrees == (kind != "sigmoid")


@pytest.mark.parametrize("latent", [OneHot(3, "softmax"), Binary(2)], ids=str)
def test_no_force_at_equilibrium(x64, latent):
    """w_bar = w^T: every term is zero, not only their mean."""
    rng = np.random.default_rng(0)
    L = latent.num_units
    w, a, a_bar = (jnp.asarray(rng.standard_normal(n)) for n in ((5, L), 5, L))
    x = jnp.asarray(rng.random((20, 5)) < 0.5)
    before = jnp.asarray(rng.random((20, L)))
    every = jax.vmap(_work, (None, 0, 0))
    tied = Model(Parameters(w, a, w.T, a_bar), jnp.full(5, 0.3), latent)
    assert not every(tied, before, x).any()
    # Control: it is with other weights.
    other = Model(Parameters(w, a, 2 * w.T, a_bar), jnp.full(5, 0.3), latent)
    assert every(other, before, x).all()


@pytest.mark.parametrize("kind", ["sigmoid", "sampled"])
def test_estimate(kind):
    space = reference.random_system(kind)
    model = reference.to_model(space)
    expected, steps = exact(space), 32 * 64

    @jax.jit
    @jax.vmap
    def run(key):
        return force_times_flux(model, key, jnp.zeros(5, bool), steps - 1)

    found = run(jax.random.split(jax.random.key(0), 40))
    values = np.asarray(found.value)
    # The stated error is the spread of repetitions.
    ratio = values.std(ddof=1) / found.error.mean()
    assert 0.7 < ratio < 1.4
    error = values.std(ddof=1) / np.sqrt(40)
    assert abs(values.mean() - expected) < 4 * error
    # Control: the latent states alone make less of it.
    M, p_bar = reference.latent_kernel(space), reference.latent_law(space)
    latent_only = reference.entropy_production(M, p_bar)
    assert abs(values.mean() - latent_only) > 10 * error


def test_what_is_refused(data):
    model = reference.to_model(reference.random_system("softmax"))
    key, x = jax.random.key(0), jnp.asarray(data[0])
    with pytest.raises(ValueError, match="num_steps=0"):
        force_times_flux(model, key, x, 0)
    slope = jax.grad(lambda model: force_times_flux(model, key, x, 1).value)
    with pytest.raises(TypeError, match="force_times_flux: expected not to be"):
        jax.eval_shape(slope, model)

    class Unknown(OneHot):
        exponential = property(lambda self: False)
        natural = OneHot.__base__.natural

    other = Model(model.parameters, model.x_mean, Unknown(3))
    with pytest.raises(
        ValueError, match=r"latent=.*Unknown.*expected ln p.* `natural`"
    ):
        jax.eval_shape(lambda: force_times_flux(other, key, x, 1))
