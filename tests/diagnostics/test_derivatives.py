"""Derivatives of the diagnostics, against central differences and enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Model, diagnostics, exact
from nelc_jax.markov import stationary_distribution

from .. import reference


def birth_and_death(size):
    """Detailed balance, and pairs without a transition in either direction."""
    rng = np.random.default_rng(0)
    M = np.zeros((size, size))
    for k in range(size - 1):
        M[k, k + 1], M[k + 1, k] = rng.uniform(0.1, 0.4, 2)
    return M + np.diag(1 - M.sum(1))


def driven_ring(size):
    step = np.roll(np.eye(size), 1, axis=1)
    return 0.6 * step + 0.1 * step.T + 0.3 * reference.random_stochastic(size, 0)


def sparse_ring(size):
    step = np.roll(np.eye(size), 1, axis=1)
    return 0.6 * step + 0.1 * step.T + 0.3 * np.eye(size)


def swapping(size):
    """A negative second eigenvalue."""
    M = 0.1 * reference.random_stochastic(size, 2)
    M[:, 0] += 0.9
    M[0] = 0.1 * M[0]
    M[0, 1:] += (1 - M[0].sum()) / (size - 1)
    return M


KERNELS = {
    "birth and death": birth_and_death(4),
    "driven ring": driven_ring(4),
    "sparse ring": sparse_ring(4),
    "swapping": swapping(4),
}


def of_law(function):
    return lambda M: function(M, stationary_distribution(M))


OF_KERNELS = {
    "sigma": of_law(diagnostics.entropy_production_rate),
    "sigma with a floor": of_law(
        lambda M, p: diagnostics.entropy_production_rate(M, p, 1e-4)
    ),
    "modulus": diagnostics.second_eigenvalue_modulus,
    "tau": diagnostics.relaxation_time,
    "self-transition": diagnostics.mean_self_transition,
    "time": of_law(
        lambda M, p: diagnostics.integrated_time(M, p, jnp.arange(len(M)) ** 2.0)
    ),
    "reversible part": of_law(
        lambda M, p: jnp.sum(jnp.cos(diagnostics.reversible_part(M, p)))
    ),
    "class_kl": of_law(lambda M, p: diagnostics.class_kl(p, jnp.full(len(p), 0.25))),
}


def derivatives(function):
    """Value, derivative along a change of M, and gradient: one program for all M."""
    return jax.jit(
        lambda M, change: (
            *jax.jvp(function, (M,), (change,)),
            jax.grad(function)(M),
        )
    )


PROGRAMS = {name: derivatives(function) for name, function in OF_KERNELS.items()}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", OF_KERNELS)
def test_of_a_kernel(x64, name, kernel):
    """Along a change of the transitions that there are; complex eigenvalues too."""
    run, M = PROGRAMS[name], KERNELS[kernel]
    change = np.random.default_rng(1).normal(size=M.shape) * M
    change -= np.diag(change.sum(1))
    step = 1e-6
    _, found, gradient = run(jnp.asarray(M), jnp.asarray(change))
    ahead, behind = (
        run(jnp.asarray(M + s * change), jnp.asarray(change))[0] for s in (step, -step)
    )
    expected = (ahead - behind) / (2 * step)
    # Truncation step^2, and rounding eps / step of a difference of numbers up to 30.
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=3e-8)
    np.testing.assert_allclose(np.sum(gradient * change), found, rtol=1e-9, atol=1e-13)


def test_of_the_complex_eigenvalue_the_phase_has_no_part(x64):
    """An eigenvalue that turns: |lambda| of a ring with other odds up and down."""
    size = 5
    step = np.roll(np.eye(size), 1, axis=1)

    def modulus(up):
        M = up * step + 0.1 * step.T + (0.9 - up) * jnp.eye(size)
        return diagnostics.second_eigenvalue_modulus(M)

    angle = 2 * np.pi / size
    value = 0.6 * np.exp(1j * angle) + 0.1 * np.exp(-1j * angle) + 0.3
    slope = (np.conj(value) * (np.exp(1j * angle) - 1)).real / abs(value)
    np.testing.assert_allclose(jax.jit(jax.grad(modulus))(0.6), slope, rtol=1e-9)


@pytest.mark.parametrize(
    "M",
    [
        np.tile([0.2, 0.3, 0.5], (3, 1)),
        np.ones((1, 1)),
        np.eye(3),
        np.roll(np.eye(4), 1, axis=1),
    ],
    ids=("equal rows", "one state", "identity", "cycle"),
)
def test_of_a_relaxation_time_at_its_ends(M):
    found = jax.jit(jax.grad(diagnostics.relaxation_time))(jnp.asarray(M, jnp.float32))
    np.testing.assert_array_equal(found, 0)


def test_second_derivatives_of_the_eigenvalue_are_not_made_up(x64):
    M = jnp.asarray(driven_ring(4))
    found = jax.jit(jax.hessian(diagnostics.second_eigenvalue_modulus))(M)
    assert np.isnan(found).all()


def test_of_an_error_of_zero():
    found = jax.jit(jax.grad(diagnostics.jackknife_error))(jnp.ones(4))
    np.testing.assert_array_equal(found, 0)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


MEASURES = ("log_likelihood", "entropy_production_rate", "relaxation_time")


@pytest.mark.parametrize("kind", ["sigmoid", "binary"])
def test_of_summarize(x64, kind, data):
    """The draws are bits: without what their law adds, the forward weights would have
    no influence on sigma and tau at all."""
    model, x = reference.to_model(reference.random_system(kind)), jnp.asarray(data)

    def at(parameters):
        return Model(parameters, model.x_mean, model.latent)

    def enumerated(parameters):
        M = exact.latent_kernel(at(parameters))
        p_bar = stationary_distribution(M)
        return (
            exact.log_likelihood(at(parameters), x),
            diagnostics.entropy_production_rate(M, p_bar),
            diagnostics.relaxation_time(M),
        )

    def measured(parameters, key):
        found = diagnostics.summarize(at(parameters), key, x, 4_000)
        return tuple(getattr(found, name) for name in MEASURES)

    keys = jax.random.split(jax.random.key(0), 4)
    truth = jax.jit(jax.jacrev(enumerated))(model.parameters)
    found = jax.jit(jax.vmap(jax.jacrev(measured), (None, 0)))(model.parameters, keys)
    for name, expected, draws in zip(MEASURES, truth, found, strict=True):
        draws = [flat(jax.tree.map(lambda leaf, k=k: leaf[k], draws)) for k in range(4)]
        mean, expected = np.mean(draws, axis=0), flat(expected)
        scatter = np.std(draws, axis=0, ddof=1) / np.sqrt(4)
        noise = np.linalg.norm(scatter)
        assert noise < 0.05 * np.linalg.norm(expected), name
        assert np.linalg.norm(mean - expected) < 3 * noise, name
        assert cosine(mean, expected) > 0.998, name


def test_of_the_whole_chain(x64):
    """With p_bar fixed: both averages by enumeration."""
    model = reference.to_model(reference.random_system("sigmoid"))
    p_bar = exact.latent_distribution(model)

    def at(parameters):
        return Model(parameters, model.x_mean, model.latent)

    def enumerated(parameters):
        A, A_bar = (
            exact.forward_matrix(at(parameters)),
            exact.backward_matrix(at(parameters)),
        )
        f = jnp.log(A_bar) - jnp.log(A).T
        return jnp.einsum("k,kx,xz,xz->", p_bar, A, A_bar, f) - jnp.einsum(
            "k,kx,xk->", p_bar, A, f
        )

    def measured(parameters, key):
        return diagnostics.whole_chain_entropy_production(
            at(parameters), key, p_bar, 20_000
        ).value

    expected = flat(jax.jit(jax.grad(enumerated))(model.parameters))
    found = flat(jax.jit(jax.grad(measured))(model.parameters, jax.random.key(0)))
    # 20,000 draws of derivatives that scatter by a few times their mean.
    assert cosine(found, expected) > 0.998
    np.testing.assert_allclose(
        np.linalg.norm(found), np.linalg.norm(expected), rtol=0.05
    )
