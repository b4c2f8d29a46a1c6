"""Normal latent variables, against Gauss-Hermite quadrature over z."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from nelc_jax import (
    Binary,
    Cycles,
    Gaussian,
    Pcd,
    TrajectoryGradient,
    chain,
    diagnostics,
    ensemble,
    exact,
    load,
    sample_chain,
    save,
    summarize,
)
from nelc_jax.diagnostics import force_times_flux
from nelc_jax.diagnostics.force_times_flux import _work
from nelc_jax.model import backward_field, forward_log_prob

from .. import reference
from .normal import (
    NODES,
    D,
    L,
    X,
    entropy_production,
    fields,
    random_arrays,
    to_model,
    visible_kernel,
)

EDGES = np.linspace(-3, 3, 13)


def test_law(x64):
    rng = np.random.default_rng(0)
    h, z = jnp.asarray(rng.standard_normal((2, 6, L)))
    space = Gaussian(L)
    expected = norm.logpdf(z, h).sum(-1)
    np.testing.assert_allclose(space.log_prob(h, z), expected, rtol=1e-14)
    slope = jax.grad(lambda h: space.log_prob(h, z).sum())(h)
    for reading in ("exact", "paper"):
        np.testing.assert_allclose(space.score(h, z, reading), slope, rtol=1e-12)
    np.testing.assert_array_equal(space.mean(h), h)
    # The quantiles of the uniforms, up to the ends that a chain draws: of 2^-33 is
    # known what eps leaves of it, to 2^-19.
    uniforms = jnp.asarray([[2.0**-33, 0.3], [0.5, 1 - 2.0**-33]])
    drawn = space.draw(space.noise(uniforms), h[:2])
    np.testing.assert_allclose(drawn, norm.ppf(uniforms, h[:2]), rtol=2.0**-19)


@pytest.fixture(scope="module")
def run():
    """x(2) of many chains from the law of `random_arrays()`, as codes."""
    size = 20_000
    law = reference.stationary(visible_kernel(random_arrays()))
    start = np.random.default_rng(0).choice(len(law), size, p=law)
    keys = jax.random.split(jax.random.key(0), size)

    @jax.jit
    def run(model):
        def one(key, x):
            return sample_chain(model, key, x, 2)

        x_end, found = jax.vmap(one)(keys, jnp.asarray(X[start], bool))
        return x_end, found.z[:, 1]

    return run


def test_stationarity(run):
    """Chains started from the exact law keep it, and those of wrong kernels do not."""
    arrays = w, a, w_bar, a_bar, x_mean = random_arrays()
    p = reference.stationary(visible_kernel(arrays))
    # z(1) is a mixture of normal variables with the law of x as shares.
    below = p @ norm.cdf(EDGES, fields(arrays)[:, :1])
    law = np.diff(below, prepend=0, append=1)

    def matches(arrays):
        x_end, z = run(to_model(arrays))
        counts = reference.histogram(reference.codes(x_end), len(p))
        bins = reference.histogram(np.searchsorted(EDGES, z[:, 0]), len(EDGES) + 1)
        return reference.follows(counts, p), reference.follows(bins, law)

    assert matches(arrays) == (True, True)
    assert matches((w, a, w.T, a_bar, x_mean)) == (False, False)
    assert matches((w, a, w_bar, a_bar, 0 * x_mean)) == (False, False)


def test_tied_weights_are_a_boltzmann_machine(x64):
    """Energy -a.x - |w^T (x - x_mean) + a_bar|^2 / 2, and no force at any x."""
    arrays = random_arrays(tied=True)
    _, a, *_ = arrays
    log_p = X @ a + 0.5 * np.sum(fields(arrays) ** 2, axis=1)
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    K = visible_kernel(arrays)
    # Quadrature with 24 nodes is off by 1e-13 of itself.
    np.testing.assert_allclose(p @ K, p, rtol=1e-12)
    np.testing.assert_allclose(p[:, None] * K, (p[:, None] * K).T, rtol=1e-12)
    assert abs(entropy_production(arrays)) < 1e-12
    before = jnp.asarray(NODES[: len(X)])
    work = jax.vmap(_work, (None, 0, 0))(to_model(arrays), before, jnp.asarray(X))
    assert not work.any()
    # Control: other weights have another law, and a force.
    other = random_arrays()
    K = visible_kernel(other)
    assert abs(p @ K - p).max() > 0.01
    assert entropy_production(other) > 0.1


def test_entropy_production():
    arrays = random_arrays()
    expected = entropy_production(arrays)
    keys = jax.random.split(jax.random.key(0), 40)

    @jax.jit
    @jax.vmap
    def run(key):
        start = jnp.zeros(D, bool)
        return force_times_flux(to_model(arrays), key, start, 32 * 64)

    found = run(keys)
    error = found.value.std(ddof=1) / np.sqrt(40)
    assert abs(found.value.mean() - expected) < 4 * error
    assert 0.7 < found.value.std(ddof=1) / found.error.mean() < 1.4
    # Control: the error is small enough to tell it from a tenth less.
    assert error < 0.02 * expected


def test_gradient():
    """The mean over long chains is the derivative of mean ln (p K^horizon)(x_m)."""
    arrays = random_arrays()
    p = reference.stationary(visible_kernel(arrays))
    data = [3, 5, 6, 6, 9]

    def likelihood(arrays, horizon):
        K = np.linalg.matrix_power(visible_kernel(arrays), horizon)
        return np.mean(np.log((p @ K)[data]))

    def derivative(horizon):
        found = []
        for number, array in enumerate(arrays[:4]):
            for index in np.ndindex(array.shape):
                moved = []
                for step in (1e-5, -1e-5):
                    other = [np.array(each) for each in arrays]
                    other[number][index] += step
                    moved.append(likelihood(other, horizon))
                found.append((moved[0] - moved[1]) / 2e-5)
        return np.array(found)

    points = jnp.asarray(X[data], bool)

    def estimates(horizon):
        along = TrajectoryGradient(4096, "exact", horizon)

        @jax.jit
        @jax.vmap
        def run(key):
            model = to_model(arrays)
            _, sample = along.sample(model, key, points[0])
            return along.estimate(model, sample, points).gradient

        found = reference.leaves(run(jax.random.split(jax.random.key(0), 24)))
        flat = np.concatenate([each.reshape(24, -1) for each in found], axis=1)
        return flat.mean(0), flat.std(0, ddof=1) / np.sqrt(24)

    expected = {horizon: derivative(horizon) for horizon in (1, 3)}
    for horizon in (1, 3):
        mean, error = estimates(horizon)
        # 22 numbers; Student's t of 23 degrees of freedom exceeds 4.5 once in 6000.
        assert (abs(mean - expected[horizon]) < 4.5 * error).all()
        # Control: the other horizon's derivative is told apart.
        assert (abs(mean - expected[4 - horizon]) > 4.5 * error).any()


def test_rotations(x64):
    """w O, O^T w_bar and O^T a_bar with O^T z: the same model, gradients turned."""
    w, a, w_bar, a_bar, x_mean = random_arrays()
    O, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((L, L)))
    turned = to_model((w @ O, a, O.T @ w_bar, O.T @ a_bar, x_mean))
    model = to_model((w, a, w_bar, a_bar, x_mean))
    x = jnp.asarray(X, bool)
    _, seen = jax.jit(sample_chain, static_argnums=3)(model, jax.random.key(0), x[3], 8)
    other = chain.Trajectory(seen.x, seen.z @ O, seen.h @ O)

    work = jax.jit(jax.vmap(_work, (None, 0, 0)))
    expected = work(model, seen.z[:-1], seen.x[1:])
    np.testing.assert_allclose(
        work(turned, other.z[:-1], other.x[1:]), expected, rtol=1e-10
    )
    laws = []
    for of, at in ((model, seen.z), (turned, other.z)):
        h = backward_field(of, x[:8])
        laws.append((Gaussian(L).log_prob(h, at), forward_log_prob(of, at, x)))
    np.testing.assert_allclose(laws[1][0], laws[0][0], rtol=1e-12)
    np.testing.assert_allclose(laws[1][1], laws[0][1], rtol=1e-12)
    along = TrajectoryGradient(8, horizon=3)
    one, two = (
        jax.jit(along.estimate)(of, sample, x[:5]).gradient
        for of, sample in ((model, seen), (turned, other))
    )
    expected = (one.w @ O, one.a, O.T @ one.w_bar, O.T @ one.a_bar)
    for found, array in zip(reference.leaves(two), expected, strict=True):
        np.testing.assert_allclose(found, array, rtol=1e-10, atol=1e-12)


def test_training(x, tmp_path):
    """An ensemble learns, and comes back from a file."""
    rule = Cycles(Gaussian(L), TrajectoryGradient(16))
    states = ensemble.init(rule, jax.random.key(0), jnp.arange(2), x)
    sizes = jnp.full(150, 64)
    trained, info = jax.jit(ensemble.train)(rule, states, x, sizes)
    assert info.finite.all()
    # Exact, and above the bits by themselves, which know no correlation.
    first = jax.tree.map(lambda leaf: leaf[0], trained.model)
    arrays = (*reference.leaves(first.parameters), np.asarray(first.x_mean))
    p = reference.stationary(visible_kernel(arrays))
    mean = np.mean(x, axis=0)
    bits = np.sum(mean * np.log(mean) + (1 - mean) * np.log1p(-mean))
    assert np.mean(np.log(p[reference.codes(x)])) > bits + 0.5

    save(tmp_path / "models.safetensors", trained.model)
    back = load(tmp_path / "models.safetensors")
    assert back.latent == Gaussian(L)
    np.testing.assert_array_equal(back.parameters.w, trained.model.parameters.w)


@pytest.mark.usefixtures("unchecked")
def test_what_is_refused():
    for units, words in ((0, "num_units=0: expected"), (1.5, "num_units=1.5: exp")):
        with pytest.raises((ValueError, TypeError), match=words):
            Gaussian(units)
    space, h = Gaussian(L), jnp.zeros(L)
    assert not hasattr(space, "num_states")
    with pytest.raises(TypeError, match=r"z\.dtype=bool: expected"):
        space.log_prob(h, h > 0)
    with pytest.raises(ValueError, match=r"z.shape=\(3,\): expected"):
        space.score(h, jnp.zeros(3), "exact")

    model, key, x = to_model(random_arrays()), jax.random.key(0), jnp.asarray(X, bool)
    words = r"latent=Gaussian\(num_units=2\): expected .*(enumerated|proportional)"
    for call in (
        lambda: summarize(model, key, x, 8),
        lambda: diagnostics.count_transitions(model, key, x[0], 8),
        lambda: diagnostics.whole_chain_entropy_production(model, key, h, 8),
        lambda: exact.latent_kernel(model),
        lambda: sample_chain(model, key, x[0], 8, parallel=True),
        lambda: Pcd(space),
        lambda: space.index(h > 0),
        lambda: space.log_probs(h),
    ):
        with pytest.raises(ValueError, match=words) as error:
            jax.eval_shape(lambda: (call(), ())[1])  # noqa: B023
        assert "\n" not in str(error.value)
    # Control: a space of bits is listed.
    assert Binary(L).index(h > 0) == 0
