"""Edges of the domain: smallest sizes, extreme weights, other dtypes; right answers.

References are NumPy in double precision, enumerations by `reference`, or the same call
with an ordinary input. One program a test at most: most calls are eager.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_expit, logsumexp

from nelc_jax import (
    Binary,
    Cycles,
    Model,
    OneHot,
    Parameters,
    Pcd,
    TrajectoryGradient,
    chain,
    ensemble,
    exact,
    latent,
    likelihood,
    markov,
    minibatch,
    training,
)
from nelc_jax import model as nm
from nelc_jax._random import pack, thresholds, unpack
from nelc_jax.baselines import BernoulliMixture, Rbm, mixture, rbm
from nelc_jax.diagnostics import (
    autocorrelation,
    class_kl,
    cycles,
    entropy_production_rate,
    entropy_production_rate_log,
    integrated_time,
    kernel_from_counts,
    latent_classes,
    mean_self_transition,
    relaxation_time,
    reversible_part,
    second_eigenvalue_modulus,
)

from . import reference

pytestmark = pytest.mark.usefixtures("unchecked", "cheap_programs")


KEY = jax.random.key(0)
SPACES = (OneHot(3), OneHot(3, "softmax"), Binary(3))
# A law of 8 states: 2 roundings of ln p (its entropy), 2 of exp, 8 of the sum.
NORMALISED = 12 * np.finfo(np.float32).eps
ids = repr


def float32(*shape, scale=1.0, seed=0):
    values = scale * np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def log_law(space, h):
    """ln p(z|x) of every state, in double precision."""
    h = np.asarray(h, float)
    if isinstance(space, Binary):
        z = reference.bit_rows(space.num_units)
        return log_expit(h) @ z.T + log_expit(-h) @ (1 - z).T
    weight = log_expit(h) if space.normalization == "sigmoid" else h
    return weight - logsumexp(weight, axis=-1, keepdims=True)


def log_bernoulli(logits, x):
    """ln p(x) of every point under every row of logits, in double precision."""
    x, logits = np.asarray(x, float), np.asarray(logits, float)
    return x @ log_expit(logits).T + (1 - x) @ log_expit(-logits).T


EXTREMES = {
    "up": [1e4, 1e4, 1e4],
    "down": [-1e4, -1e4, -1e4],
    "apart": [1e4, -1e4, 0.0],
    "equal": [0.0, 0.0, 0.0],
    "near": [1e4, 1e4 - 1, -1e4],
}


@pytest.mark.parametrize("h", EXTREMES)
@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_extreme_fields(space, h):
    h = jnp.asarray(np.array(EXTREMES[h], np.float32))
    expected = log_law(space, h)
    found = np.asarray(space.log_probs(h))
    # Of numbers up to 1e4, whose rounding is 1e-3 where probabilities are nothing.
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-6)
    np.testing.assert_allclose(np.exp(found).sum(), 1, rtol=NORMALISED)
    states = np.asarray(space.states(), float)
    np.testing.assert_allclose(space.mean(h), np.exp(expected) @ states, atol=1e-6)
    for z in space.states():
        score = np.asarray(space.score(h, z, "exact"))
        assert np.isfinite(score).all()
        slope = jax.grad(space.log_prob)(h, z)
        np.testing.assert_allclose(score, slope, atol=1e-6)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    h=st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3),
    kind=st.integers(0, 2),
)
def test_any_field_gives_a_law(h, kind):
    space = SPACES[kind]
    log_p = np.asarray(space.log_probs(jnp.asarray(np.array(h, np.float32))))
    assert (log_p <= 0).all()
    np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=2e-6)
    np.testing.assert_allclose(np.exp(log_p), np.exp(log_law(space, h)), atol=2e-6)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 999), power=st.integers(-2, 4))
def test_any_logits_give_a_law_of_all_visible_states(seed, power):
    logits = float32(3, 5, scale=10.0**power, seed=seed).clip(-1e4, 1e4)
    x = reference.bit_rows(5)
    log_p = np.asarray(nm.bernoulli_log_prob(logits, jnp.asarray(x, jnp.float32)))
    assert np.isfinite(log_p).all()
    np.testing.assert_allclose(np.exp(log_p.astype(float)).sum(0), 1, rtol=3e-6)
    np.testing.assert_allclose(log_p, log_bernoulli(logits, x), rtol=2e-6, atol=1e-6)


def extreme_model(space, size=1e4, seed=0, num_visible=5):
    L = space.num_units
    parts = [(num_visible, L), (num_visible,), (L, num_visible), (L,)]
    arrays = [size * np.sign(float32(*s, seed=seed + k)) for k, s in enumerate(parts)]
    x_mean = np.full(num_visible, 0.5)
    arrays = [jnp.asarray(a, jnp.float32) for a in (*arrays, x_mean)]
    return Model(Parameters(*arrays[:4]), arrays[4], space)


@jax.jit
def enumerated(model):
    """A, A_bar, M, p_bar and p(x) by the library, in one program."""
    return (
        exact.forward_matrix(model),
        exact.backward_matrix(model),
        exact.latent_kernel(model),
        exact.latent_distribution(model),
        exact.visible_distribution(model),
    )


draw = jax.jit(chain.sample_chain, static_argnums=3)
at_once = jax.jit(partial(chain.sample_chain, parallel=True), static_argnums=3)


@partial(jax.jit, static_argnames="score")
def two_step_gradient(model, trajectory, x, score="paper"):
    return TrajectoryGradient(score=score).estimate(model, trajectory, x)


def in_numpy(model):
    """A, A_bar, M and p_bar of a model in double precision."""
    p = jax.tree.map(lambda a: np.asarray(a, float), model.parameters)
    x = reference.bit_rows(len(p.a))
    z = np.asarray(model.latent.states(), float)
    A = np.exp(log_bernoulli(z @ p.w.T + p.a, x)).T
    h = (x - np.asarray(model.x_mean, float)) @ p.w_bar.T + p.a_bar
    A_bar = np.exp(log_law(model.latent, h))
    return A, A_bar, A @ A_bar


@pytest.mark.parametrize("size", [1e4, 300.0, 1.0, 0.0])
@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_extreme_weights_by_enumeration(space, size):
    model = extreme_model(space, size)
    A, A_bar, M = in_numpy(model)
    forward, backward, found, p_bar, _ = map(np.asarray, enumerated(model))
    np.testing.assert_allclose(forward, A, atol=3e-6)
    np.testing.assert_allclose(backward, A_bar, atol=1e-6)
    np.testing.assert_allclose(found, M, atol=3e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(p_bar.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(p_bar @ M, p_bar, atol=1e-5)


@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_extreme_weights_in_likelihood_and_gradient(space):
    model = extreme_model(space)
    x = jnp.asarray(reference.bit_rows(5)[::7], bool)
    p_bar = jnp.full(space.num_states, 1 / space.num_states, jnp.float32)
    log_A = log_bernoulli(nm.state_logits(model), x)
    expected = logsumexp(log_A, b=1 / space.num_states, axis=1)
    found = likelihood.occupancy_log_prob(model, p_bar, x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    log_p, r = likelihood.responsibilities(jnp.log(p_bar), jnp.asarray(log_A.T))
    np.testing.assert_allclose(r.sum(0), 1, rtol=NORMALISED)
    np.testing.assert_allclose(log_p, expected, rtol=1e-6, atol=1e-6)
    _, trajectory = draw(model, KEY, x[0], 8)
    for score in ("paper", "exact"):
        found = two_step_gradient(model, trajectory, x, score=score)
        assert found.finite
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("space", [OneHot(3, "softmax"), Binary(3)], ids=ids)
@pytest.mark.parametrize("size", [1e4, 1.0])
def test_extreme_rbm(space, size):
    model = extreme_model(space, size)
    p = model.parameters
    machine = Rbm(rbm.Parameters(p.w, p.a, p.a_bar), model.x_mean, space)
    z = np.asarray(space.states(), float)
    w, a, a_bar = (np.asarray(v, float) for v in (p.w, p.a, p.a_bar))
    x = reference.bit_rows(5)
    energy = (x - 0.5) @ w @ z.T + (x @ a)[:, None] + z @ a_bar
    log_Z = logsumexp(energy)
    np.testing.assert_allclose(rbm.log_partition(machine), log_Z, rtol=1e-6)
    found = rbm.log_prob(machine, jnp.asarray(x, bool))
    expected = logsumexp(energy, axis=1) - log_Z
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * abs(log_Z))
    law = rbm.occupancy(machine)
    np.testing.assert_allclose(
        law, np.exp(logsumexp(energy, axis=0) - log_Z), atol=1e-3
    )
    np.testing.assert_allclose(law.sum(), 1, rtol=NORMALISED)
    h = nm.backward_log_probs(rbm.to_model(machine), jnp.asarray(x, bool))
    np.testing.assert_allclose(np.exp(h).sum(1), 1, rtol=NORMALISED)


def test_extreme_mixture():
    logits = jnp.asarray([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]], jnp.float32)
    found = BernoulliMixture(jnp.log(jnp.array([1.0, 0.0])), logits)
    x = reference.bit_rows(3)
    log_p = np.asarray(mixture.log_prob(found, jnp.asarray(x, bool)))
    np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=NORMALISED)
    np.testing.assert_allclose(log_p, log_bernoulli(logits[:1], x)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_thresholds_of_extreme_logits(extreme):
    q = thresholds(jnp.full(3, extreme), jnp.array([1e-6, 0.5, 1 - 1e-6]))
    assert (np.asarray(q) == (2**16 if extreme > 0 else 0)).all()


ONE = {
    "one pixel": (1, 3),
    "one unit": (5, 1),
    "one of each": (1, 1),
}


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("sizes", ONE)
def test_single_pixels_and_units(x64, kind, sizes):
    """D = 1, L = 1, S = 1: every matrix of the chain, likelihood and gradient."""
    D, L = ONE[sizes]
    system = reference.random_system(kind, D, L)
    model = reference.to_model(system)
    x = reference.bit_rows(D)[[-1, 0, -1]]
    expected = (
        reference.forward_matrix(system),
        reference.backward_matrix(system),
        reference.latent_kernel(system),
        reference.latent_law(system),
        reference.visible_law(system),
    )
    for found, right in zip(enumerated(model), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9)
    found = jax.jit(exact.log_likelihood)(model, jnp.asarray(x))
    np.testing.assert_allclose(found, reference.log_likelihood(system, x))
    found = jax.jit(exact.two_step_gradient)(model, jnp.asarray(x, bool))
    expected = reference.two_step_gradient(system, x, "paper")
    for one, other in zip(reference.leaves(found), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("sizes", ONE)
def test_single_steps(x64, kind, sizes):
    """T = 1: the chain's two forms, and its gradient, for D = 1 and L = 1 too."""
    D, L = ONE[sizes]
    system = reference.random_system(kind, D, L)
    model = reference.to_model(system)
    x = jnp.asarray(reference.bit_rows(D)[-1], bool)
    end, trajectory = draw(model, KEY, x, 1)
    assert trajectory.x.shape == (1, D)
    h = [reference.field(system, np.asarray(row, float)) for row in trajectory.x]
    np.testing.assert_allclose(trajectory.h, h)
    other, again = at_once(model, KEY, x, 1)
    np.testing.assert_array_equal(other, end)
    np.testing.assert_array_equal(again.z, trajectory.z)
    data = reference.bit_rows(D)[:1]
    found = two_step_gradient(model, trajectory, jnp.asarray(data))
    expected = reference.trajectory_gradient(
        system, trajectory.x, trajectory.z, data, "paper"
    )
    for one, right in zip(reference.leaves(found.gradient), expected, strict=True):
        np.testing.assert_allclose(one, right, rtol=1e-8, atol=1e-12)


DATA = {
    "one point": np.array([[1, 0, 1, 1, 0]]),
    "zeros": np.zeros((4, 5)),
    "ones": np.ones((4, 5)),
    "constant pixels": np.array([[1, 0, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 1, 1, 0]]),
    "duplicates": np.array([[1, 0, 1, 1, 0]] * 12),
}


@pytest.mark.parametrize("space", SPACES, ids=ids)
@pytest.mark.parametrize("name", DATA)
def test_models_of_degenerate_data(name, space):
    """w and x_mean are those of the data, clipped, and the likelihood of its mean."""
    x = DATA[name]
    model = nm.init_model(KEY, space, x.astype(np.uint8))
    np.testing.assert_allclose(model.x_mean, x.mean(0), rtol=1e-6)
    p = np.clip(x.mean(0), 1e-3, 1 - 1e-3)
    if name != "constant pixels":
        # Every subset is the whole: each state with one bit generates the mean.
        one = jnp.eye(3, dtype=bool)
        logits = np.asarray(nm.forward_logits(model, one))
        np.testing.assert_allclose(logits, [np.log(p / (1 - p))] * 3, rtol=1e-4)
        found = nm.forward_log_prob(model, one, jnp.asarray(x, bool))
        expected = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(1)
        np.testing.assert_allclose(found, [[e] * 3 for e in expected], rtol=1e-3)
    np.testing.assert_allclose(
        np.exp(model.latent.log_probs(nm.backward_field(model, jnp.asarray(x, bool)))),
        1 / space.num_states,
        rtol=1e-5,
    )


@pytest.fixture(scope="module")
def train():
    return jax.jit(training.train, static_argnums=0)


@pytest.mark.parametrize("name", ["zeros", "ones", "duplicates", "constant pixels"])
def test_training_on_degenerate_data(train, name):
    """Constant data end near probability one, finite; batches of one and of many."""
    x = np.resize(DATA[name], (12, 5)).astype(bool)
    rule = Cycles(OneHot(3), TrajectoryGradient(8, score="exact"))
    state = rule.init(KEY, x)
    state, info = train(rule, state, jnp.asarray(x), jnp.array([1, 40] * 20))
    assert info.finite.all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.model))
    best = -np.log(3) if name == "constant pixels" else 0
    found = exact.log_likelihood(state.model, jnp.asarray(x))
    assert best - 2 < found <= best + 1e-5


@pytest.mark.parametrize(
    "dtype",
    [
        bool,
        np.uint8,
        np.int8,
        np.int32,
        np.float16,
        jnp.bfloat16,
        np.float32,
        np.float64,
    ],
)
def test_dtypes_of_data(dtype):
    """Zeros and ones are the same numbers in every dtype, of NumPy and of JAX."""
    if dtype is np.float16:
        try:
            jnp.zeros(1, dtype).astype(jnp.float32)
        except jax.errors.JaxRuntimeError:
            pytest.skip("XLA converts half precision by F16C instructions only")
    x = reference.bit_rows(5)[::5]
    model = reference.to_model(reference.random_system("softmax"))
    expected = log_bernoulli(nm.state_logits(model), x)
    for data in (x.astype(dtype), jnp.asarray(x.astype(dtype))):
        found = nm.forward_log_prob(model, model.latent.states(), data)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        other = nm.init_model(KEY, OneHot(3), data)
        same = nm.init_model(KEY, OneHot(3), x.astype(bool))
        assert {leaf.dtype for leaf in jax.tree.leaves(other)} == {np.dtype("float32")}
        for one, right in zip(*map(jax.tree.leaves, (other, same)), strict=True):
            np.testing.assert_array_equal(one, right)
        start = mixture.init(KEY, 2, data)
        np.testing.assert_array_equal(
            start.logits, mixture.init(KEY, 2, jnp.asarray(x, bool)).logits
        )


@pytest.mark.parametrize("kind", reference.KINDS)
def test_bfloat16_models(kind):
    """Half the bytes, the law of the rounded weights to their precision."""
    system = reference.random_system(kind)
    model = jax.tree.map(lambda a: a.astype(jnp.bfloat16), reference.to_model(system))
    A, A_bar, M = in_numpy(model)
    for find, expected in (
        (exact.forward_matrix, A),
        (exact.backward_matrix, A_bar),
        (exact.latent_kernel, M),
    ):
        found = find(model)
        assert found.dtype == jnp.bfloat16
        np.testing.assert_allclose(np.asarray(found, float), expected, atol=0.03)


def test_bfloat16_draws_of_rare_states():
    """Probabilities below the 8 bits of the dtype are still drawn."""
    h = jnp.full((20000, 2), 8, jnp.bfloat16).at[:, 1].set(0)
    z = latent.sample_latent(OneHot(2, "softmax"), KEY, h)
    # e^-8 of 20000: 6.7 expected, of a Poisson law.
    assert 0 < int(z[:, 1].sum()) < 20


@pytest.mark.parametrize("space", SPACES, ids=ids)
def test_float64(x64, space):
    x = reference.bit_rows(5)[::3]
    model = nm.init_model(KEY, space, x.astype(bool), jnp.float64)
    assert {a.dtype for a in jax.tree.leaves(model)} == {np.dtype("float64")}
    _, trajectory = draw(model, KEY, jnp.asarray(x[0]), 3)
    found = two_step_gradient(model, trajectory, jnp.asarray(x))
    assert {a.dtype for a in jax.tree.leaves(found.gradient)} == {np.dtype("float64")}
    p_bar = jnp.full(space.num_states, 1 / space.num_states)
    log_p = likelihood.occupancy_log_prob(model, p_bar, jnp.asarray(x))
    expected = logsumexp(
        log_bernoulli(nm.state_logits(model), x), b=1 / space.num_states, axis=1
    )
    np.testing.assert_allclose(log_p, expected, rtol=1e-13)


def test_an_empty_ensemble():
    rule = Cycles(OneHot(3), TrajectoryGradient(2))
    states = ensemble.init(rule, KEY, jnp.arange(0), jnp.ones((4, 5)))
    assert states.model.parameters.w.shape == (0, 5, 3)
    states, info = ensemble.train(rule, states, jnp.ones((4, 5)), jnp.array([2]))
    assert info.log_likelihood.shape == (0, 1)
    assert ensemble.member_keys(KEY, jnp.arange(0)).shape == (0,)


def test_no_steps_and_no_points():
    rule = Cycles(OneHot(3), TrajectoryGradient(2))
    state = rule.init(KEY, DATA["ones"])
    after, info = training.train(
        rule, state, jnp.asarray(DATA["ones"]), jnp.zeros(0, int)
    )
    assert info.log_likelihood.shape == (0,)
    np.testing.assert_array_equal(after.x, state.x)
    model = reference.to_model(reference.random_system("sigmoid"))
    none = jnp.zeros((0, 5))
    p_bar = jnp.ones(3) / 3
    assert likelihood.occupancy_log_prob(model, p_bar, none).shape == (0,)
    assert nm.backward_log_probs(model, none).shape == (0, 3)


def test_batches_of_one_point_and_of_more_than_there_are():
    x = jnp.asarray(DATA["one point"], jnp.float32)
    for size in (1, 3, 16, 40):
        mean = minibatch.sum_chunks(
            lambda points, weights: weights @ points, jnp.zeros(5), KEY, x, size
        )
        np.testing.assert_allclose(mean, x[0], rtol=1e-6)


@pytest.mark.parametrize("num_points", [1, 2, 7])
def test_more_components_than_points(num_points):
    """K > N: the ceiling is the entropy of the points, with components to spare."""
    x = reference.bit_rows(5)[3 : 3 + 4 * num_points : 4].astype(bool)
    fitted, curve = mixture.fit(
        mixture.init(KEY, 9, jnp.asarray(x)), jnp.asarray(x), 60
    )
    np.testing.assert_allclose(np.exp(fitted.log_weights).sum(), 1, rtol=1e-5)
    assert np.isfinite(fitted.logits).all()
    assert (np.diff(curve) > -1e-4).all()
    best = -np.log(num_points)
    assert best - 0.7 < mixture.log_likelihood(fitted, jnp.asarray(x)) < best + 1e-4


@pytest.mark.parametrize("name", DATA)
def test_mixture_of_one_component(name):
    """K = 1 is solved by one step: the mean of the data, up to its clipping."""
    x = DATA[name]
    fitted, _ = mixture.fit(mixture.init(KEY, 1, x), jnp.asarray(x), 2)
    np.testing.assert_allclose(
        expit(np.asarray(fitted.logits, float))[0], x.mean(0), atol=2e-6
    )
    np.testing.assert_allclose(fitted.log_weights, 0, atol=1e-6)


LABELS = {
    "gaps": ([0, 0, 4, 4], 6, [0, 4]),
    "one class": ([2, 2, 2, 2], 3, [2, 2]),
    "one point each": ([3, 3, 0, 0], 4, [3, 0]),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_with_gaps(name):
    labels, num_classes, expected = LABELS[name]
    x = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    w = jnp.asarray(8.0 * (2 * x[[0, 2]].T - 1), jnp.float32)
    parameters = Parameters(w, jnp.zeros(4), jnp.zeros((2, 4)), jnp.zeros(2))
    model = Model(parameters, jnp.full(4, 0.5), OneHot(2))
    found = latent_classes(model, jnp.asarray(x), jnp.asarray(labels), num_classes)
    assert found.tolist() == expected


CHAINS = {
    "one state": (np.ones((1, 1)), 0.0, 1.0),
    "identity": (np.eye(3), np.inf, 1.0),
    "cycle": (np.eye(3)[[1, 2, 0]], np.inf, 0.0),
    "swap": (np.eye(2)[[1, 0]], np.inf, 0.0),
    "forgets": (np.full((3, 3), 1 / 3), 0.0, 1 / 3),
    "absorbing": (np.array([[1.0, 0.0], [0.5, 0.5]]), 1 / np.log(2), 0.75),
    "reducible": (np.kron(np.eye(2), np.full((2, 2), 0.5)), np.inf, 0.5),
}


@jax.jit
def measures_of_a_chain(M, f):
    p_bar = markov.stationary_distribution(M)
    return (
        p_bar,
        relaxation_time(M),
        second_eigenvalue_modulus(M),
        reversible_part(M, p_bar),
        markov.deviation(M, p_bar, f),
        integrated_time(M, p_bar, jnp.ones_like(f)),
    )


@pytest.mark.parametrize("name", CHAINS)
def test_degenerate_chains(name):
    M, time, stay = CHAINS[name]
    size = len(M)
    law = np.linalg.matrix_power((np.eye(size) + M) / 2, 2**20).mean(0)
    M = jnp.asarray(M, jnp.float32)
    f = jnp.arange(size, dtype=jnp.float32)
    p_bar, found, modulus, reverse, v, constant = measures_of_a_chain(M, f)
    np.testing.assert_allclose(p_bar, law, atol=1e-5)
    if time:
        np.testing.assert_allclose(found, time, rtol=1e-4)
    else:
        assert 0 <= found < 0.1
    np.testing.assert_allclose(mean_self_transition(M), stay, rtol=1e-6)
    second = np.sort(abs(np.linalg.eigvals(np.asarray(M, float))))[-2:][0]
    np.testing.assert_allclose(modulus, 0 if size == 1 else second, atol=1e-4)
    np.testing.assert_allclose(reverse.sum(1), 1, rtol=1e-5)
    sigma = entropy_production_rate(M, p_bar)
    assert sigma == (np.inf if name == "cycle" else 0)
    assert np.isfinite(v).all()
    if name in ("one state", "cycle", "swap", "forgets", "absorbing"):
        centred = f - p_bar @ f
        np.testing.assert_allclose(v - M @ v, centred, atol=1e-5)
    assert constant == 1


def test_unseen_states_and_transitions():
    M, p_bar = kernel_from_counts(jnp.array([[0, 3, 0], [1, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(p_bar, [0.75, 0.25, 0])
    np.testing.assert_allclose(M, [[0, 1, 0], [1, 0, 0], [0.75, 0.25, 0]])
    M, p_bar = kernel_from_counts(jnp.zeros((2, 2), jnp.int32))
    np.testing.assert_array_equal(M, np.zeros((2, 2)))
    one = jnp.zeros((1, 1))
    assert entropy_production_rate_log(one, jnp.ones(1)) == 0
    found = cycles.fundamental_cycles(one, jnp.ones(1))
    assert found.current.shape == (0,)
    assert class_kl(jnp.array([1.0, 0.0]), jnp.array([1.0, 0.0])) == 0
    assert class_kl(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])) == np.inf


@pytest.mark.parametrize("n", [1, 2, 9])
def test_constant_series(n):
    rho = autocorrelation(jnp.full(n, 3.5))
    np.testing.assert_array_equal(rho, [1] + [0] * (n - 1))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8])
def test_pixels_that_fill_no_byte(count):
    x = jnp.asarray(np.arange(2 * count).reshape(2, count) % 3 == 0)
    np.testing.assert_array_equal(unpack(pack(x), count), x)


@pytest.mark.parametrize("space", [OneHot(1, "softmax"), Binary(1)], ids=ids)
def test_rbm_of_one_unit_and_one_pixel(space):
    x = np.array([[0], [1], [1]])
    state = Pcd(space).init(KEY, x)
    p = state.model.parameters
    w, a, b = (float(v.ravel()[0]) for v in (p.w, p.a, p.a_bar))
    mean = x.mean()
    z = [1.0] if space.num_states == 1 else [0.0, 1.0]
    energy = [[(v - mean) * w * u + a * v + b * u for u in z] for v in (0, 1)]
    expected = logsumexp(energy, axis=1) - logsumexp(energy)
    found = rbm.log_prob(state.model, jnp.asarray(x[:2], bool))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
