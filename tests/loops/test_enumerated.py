"""Small loops by enumeration, against NumPy, finite differences and autodiff."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import AveragedGradient, Binary, Model, OneHot, Parameters, exact
from nelc_jax.diagnostics import entropy_production_rate, relaxation_time
from nelc_jax.loops import EnumeratedLoop, Loop, init_loop

from .. import reference
from .systems import (
    as_loop,
    copying,
    flat,
    kernels,
    log_likelihood,
    path_entropy_production,
    random_loop,
    to_loop,
    turn,
)

MIXED = random_loop([("sigmoid", 3), ("binary", 2)])
TURNS = (1, 2, None)
DATA = np.random.default_rng(5).random((5, 4)) < 0.5


@pytest.fixture(scope="module")
def found():
    """What there is to know about a mixed loop of three kernels, in one program."""

    def everything(loop, x):
        one = EnumeratedLoop.of(loop)

        def likelihood(kernels):
            changed = Loop(kernels, loop.x_mean, loop.layers)
            return EnumeratedLoop.of(changed).log_likelihood(x)

        def horizon(kernels, turns):
            """ln p(x) with the law of x held fixed `turns` turns before."""
            changed = Loop(kernels, loop.x_mean, loop.layers)
            law = jax.lax.stop_gradient(one.laws[0])
            for _ in range(turns):
                law = law @ EnumeratedLoop.of(changed).turn_kernel(0)
            return jnp.mean(jnp.log(law[jnp.asarray(reference.codes(DATA))]))

        layers = range(3)
        M = [one.turn_kernel(k) for k in layers]
        return {
            "kernels": one.kernels,
            "laws": one.laws,
            "M": M,
            "tau": [relaxation_time(M[k]) for k in layers],
            "sigma": [entropy_production_rate(M[k], one.laws[k]) for k in layers],
            "likelihood": one.log_likelihood(x),
            "gradients": [one.gradient(x, turns) for turns in TURNS],
            "autodiff": [
                *(jax.grad(horizon)(loop.kernels, turns) for turns in TURNS[:-1]),
                jax.grad(likelihood)(loop.kernels),
            ],
        }

    with jax.enable_x64(True):
        return jax.device_get(jax.jit(everything)(to_loop(MIXED), jnp.asarray(DATA)))


def test_matrices_and_laws(found):
    matrices = kernels(MIXED)
    for k, T in enumerate(matrices):
        np.testing.assert_allclose(found["kernels"][k], T, rtol=1e-12)
        M = turn(matrices, k)
        np.testing.assert_allclose(found["M"][k], M, rtol=1e-12)
        np.testing.assert_allclose(found["laws"][k], reference.stationary(M), rtol=1e-9)
    expected = log_likelihood(MIXED, DATA)
    np.testing.assert_allclose(found["likelihood"], expected, rtol=1e-11)


@pytest.mark.parametrize("number", range(3), ids=map(str, TURNS))
def test_gradient_is_the_derivative(found, number):
    """Of all turns, or of some with what was before held fixed."""
    gradient, by_autodiff = found["gradients"][number], found["autodiff"][number]
    for k, (one, other) in enumerate(zip(gradient, by_autodiff, strict=True)):
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-9, atol=1e-13)
        if k == 1:
            # Eq. 20: it leaves a one-hot layer, whose columns take it up.
            np.testing.assert_array_equal(one.bias, 0)
        else:
            np.testing.assert_allclose(one.bias, other.bias, rtol=1e-9, atol=1e-13)
    # Control: each is another one.
    for other in (found["gradients"][n] for n in range(3) if n != number):
        for k in range(3):
            a, b = gradient[k].weights, other[k].weights
            assert abs(a - b).max() > 1e-3 * abs(b).max(), k


def test_gradient_by_finite_differences(found):
    """Central differences of the brute force."""
    step = 1e-5
    for k, slope in enumerate(found["gradients"][-1]):
        for site in list(np.ndindex(slope.weights.shape))[::2]:
            moved = []
            for sign in (1, -1):
                weights = [W.copy() for W in MIXED.weights]
                weights[k][site] += sign * step
                changed = dataclasses.replace(MIXED, weights=tuple(weights))
                moved.append(log_likelihood(changed, DATA))
            expected = (moved[0] - moved[1]) / (2 * step)
            # Truncation step^2, and rounding 1e-15 / step of the differences.
            np.testing.assert_allclose(slope.weights[site], expected, atol=1e-8)


def test_times_agree_and_entropy_productions_do_not(found):
    tau = found["tau"]
    # From the modulus of one eigenvalue, of matrices of up to 16 states.
    np.testing.assert_allclose(tau, tau[0], rtol=1e-10)
    assert tau[0] > 0.5
    sigma = np.array(found["sigma"])
    expected = [
        reference.entropy_production(M, law)
        for M, law in zip(found["M"], found["laws"], strict=True)
    ]
    np.testing.assert_allclose(sigma, expected, rtol=1e-9)
    assert (abs(np.diff(np.sort(sigma))) > 0.1 * sigma[:-1].min()).all()


def test_rank_is_that_of_the_narrowest_layer(found):
    """Of three states, in all of them: no more states can take turns."""
    assert [len(M) for M in found["M"]] == [16, 3, 4]
    for M in found["M"]:
        assert np.linalg.matrix_rank(M) == 3


@pytest.mark.usefixtures("x64")
def test_one_hidden_layer_is_the_model():
    system = reference.random_system("sigmoid")
    model = reference.to_model(system)
    loop = to_loop(as_loop(system))
    x = jnp.asarray(np.random.default_rng(5).random((4, 5)) < 0.5)

    @jax.jit
    def both(model, loop, x):
        one, draws = EnumeratedLoop.of(loop), exact.draws(model)
        every = [AveragedGradient(2, K).estimate(model, draws, x) for K in TURNS]
        return (
            (one.turn_kernel(1), one.laws[1], one.log_likelihood(x)),
            (
                exact.latent_kernel(model),
                exact.latent_distribution(model),
                exact.log_likelihood(model, x),
            ),
            [one.gradient(x, K) for K in TURNS],
            [each.gradient for each in every],
        )

    ours, theirs, gradients, expected = both(model, loop, x)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11)
    for (first, last), p in zip(gradients, expected, strict=True):
        for one, other in zip(
            (first.weights, first.bias, last.weights, last.bias),
            (p.w_bar, p.a_bar, p.w, p.a),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-13)


@pytest.mark.usefixtures("x64")
def test_a_layer_that_copies_changes_nothing():
    plain = random_loop([("softmax", 3)], 3)
    longer = copying(plain, 0)

    @jax.jit
    def measured(loop, x):
        one = EnumeratedLoop.of(loop)
        M = [one.turn_kernel(k) for k in (1, len(loop.layers))]
        return M, one.log_likelihood(x), one.gradient(x), one.gradient(x, 1)

    x = jnp.asarray(DATA[:, :3])
    M, likelihood, *gradients = measured(to_loop(longer), x)
    M_plain, likelihood_plain, *expected = measured(to_loop(plain), x)
    np.testing.assert_allclose(M, M_plain, rtol=1e-13)
    np.testing.assert_allclose(likelihood, likelihood_plain, rtol=1e-13)
    for found, other in zip(gradients, expected, strict=True):
        kept = found[0], found[2]
        np.testing.assert_allclose(flat(kept), flat(other), rtol=1e-10, atol=1e-14)


def reversible_ladder():
    """Kernels that are all conditionals of one law p(x, z1, z2) with softmax layers.

    ln p = a x + z1 (U x + c) + z2 V z1: what is summed out is a shift of a bias.
    """
    rng = np.random.default_rng(2)
    U, V, a = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    c, x_mean = rng.normal(size=3), rng.uniform(size=3)
    down = c + np.log(np.exp(V).sum(0))
    up = c + np.log1p(np.exp(a[:, None] + U.T)).sum(0)
    system = random_loop([("softmax", 3)] * 3, 3)
    return dataclasses.replace(
        system,
        weights=(U, V, V.T, U.T),
        biases=(down + U @ x_mean, np.zeros(3), up, a),
        x_mean=x_mean,
    )


@pytest.mark.usefixtures("x64")
def test_entropy_production_of_a_ladder():
    """Path by path; zero for one law; no less than what x and the top layer show."""
    driven = random_loop([("softmax", 3)] * 3, 3, seed=15)

    @jax.jit
    def measured(loop):
        one = EnumeratedLoop.of(loop)
        ends = [
            entropy_production_rate(one.turn_kernel(k), one.laws[k]) for k in (0, 2)
        ]
        return one.ladder_entropy_production(), ends

    (sigma, ends), (none, _) = (
        measured(to_loop(system)) for system in (driven, reversible_ladder())
    )
    np.testing.assert_allclose(sigma, path_entropy_production(driven), rtol=1e-9)
    assert sigma > max(ends) > 0.01
    # A few hundred terms of order one.
    assert abs(none) < 1e-13


@pytest.mark.usefixtures("unchecked")
def test_only_a_ladder_has_a_reverse():
    loop = init_loop(jax.random.key(0), (OneHot(3), Binary(2)), DATA)
    with pytest.raises(ValueError, match=r"layers=.*: expected the same from either"):
        jax.eval_shape(
            lambda loop: EnumeratedLoop.of(loop).ladder_entropy_production(), loop
        )


@pytest.mark.usefixtures("unchecked")
def test_too_many_visible_units():
    x = np.zeros((2, 17), bool)
    loop = init_loop(jax.random.key(0), (OneHot(3), OneHot(2)), x)
    with pytest.raises(ValueError, match="num_visible=17: expected 1 to 16"):
        jax.eval_shape(EnumeratedLoop.of, loop)


def test_parameters_are_those_of_the_model():
    """`Loop.encoder` reads as p(z_1|x) of a two-layer model."""
    loop = to_loop(MIXED)
    model = loop.encoder
    assert isinstance(model, Model)
    assert isinstance(model.parameters, Parameters)
    found = exact.backward_matrix(model)
    np.testing.assert_allclose(found, kernels(MIXED)[0], rtol=1e-5)
