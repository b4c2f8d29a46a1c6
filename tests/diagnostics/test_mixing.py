import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import integrated_time, reversible_part, visible_time
from nelc_jax.markov import stationary_distribution

from .. import reference

time = jax.jit(integrated_time)
time_of_x = jax.jit(visible_time)


@pytest.fixture(params=range(3))
def chain(request, x64):
    M = reference.random_stochastic(5, request.param, 0.5)
    f = np.random.default_rng(request.param).standard_normal(5)
    p_bar = stationary_distribution(jnp.asarray(M))
    return jnp.asarray(M), p_bar, jnp.asarray(f)


def test_sum_of_correlations(chain):
    M, p_bar, f = chain
    centred = np.asarray(f - p_bar @ f)
    covariances, step = [], np.eye(5)
    for _ in range(400):
        covariances.append(np.sum(p_bar * centred * (step @ centred)))
        step = step @ np.asarray(M)
    expected = 1 + 2 * sum(covariances[1:]) / covariances[0]
    np.testing.assert_allclose(time(M, p_bar, f), expected, rtol=1e-9)


def test_simulated_means(x64):
    """Means over stretches of a simulated chain scatter as the time says."""
    M = reference.random_stochastic(3, 4, 0.5)
    f = np.array([1.0, -1.0, 0.5])
    rng = np.random.default_rng(0)
    p_bar = np.asarray(stationary_distribution(jnp.asarray(M)))
    z = rng.choice(3, size=4000, p=p_bar)
    total, length = np.zeros(4000), 300
    cumulative = np.cumsum(M, axis=1)
    for _ in range(length):
        total += f[z]
        z = (rng.random(4000)[:, None] > cumulative[z]).sum(1)
    variance = np.sum(p_bar * (f - p_bar @ f) ** 2)
    found = length * np.var(total / length) / variance
    expected = time(jnp.asarray(M), jnp.asarray(p_bar), jnp.asarray(f))
    assert abs(found / expected - 1) < 0.1
    # Control: independent draws would have a time of one.
    assert abs(expected - 1) > 0.2


def test_reversible_part(chain):
    M, p_bar, f = chain
    found = np.asarray(reversible_part(M, p_bar))
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(p_bar @ found, p_bar, rtol=1e-10)
    flux = np.asarray(p_bar)[:, None] * found
    np.testing.assert_allclose(flux, flux.T, atol=1e-15)
    np.testing.assert_allclose(np.diag(found), np.diag(M), rtol=1e-12)
    # Without currents averages converge more slowly, whatever is averaged.
    assert time(jnp.asarray(found), p_bar, f) > time(M, p_bar, f)


def test_cycles_and_traps():
    uniform = jnp.full(4, 0.25)
    cycle = jnp.roll(jnp.eye(4), 1, axis=1)
    f = jnp.asarray([1.0, 2.0, 0.0, -1.0])
    # Every turn of a deterministic cycle gives the exact mean.
    assert abs(time(cycle, uniform, f)) < 1e-5
    assert time(jnp.eye(4), uniform, f) == np.inf
    assert abs(time(jnp.full((4, 4), 0.25), uniform, f) - 1) < 1e-5
    dead = jnp.asarray([0.5, 0.5, 0.0, 0.0])
    M = jnp.asarray([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0.0]])
    np.testing.assert_allclose(reversible_part(M, dead), M)


CONSTANT = {
    "everywhere": (np.full((4, 4), 0.25), [0.25] * 4, [0.1] * 4),
    "in the only state": ([[1.0]], [1.0], [3.0]),
    "where the chain is": (
        [[0.5, 0.5, 0, 0], [0.2, 0.8, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]],
        [2 / 7, 5 / 7, 0, 0],
        [0.1, 0.1, 5, -7],
    ),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_a_constant_has_no_time(name):
    M, p_bar, f = (jnp.asarray(a, jnp.float32) for a in CONSTANT[name])
    assert np.isnan(time(M, p_bar, f))
    if name != "in the only state":
        # Control: what varies has one.
        assert np.isfinite(time(M, p_bar, f.at[0].add(1)))


@pytest.mark.parametrize("rate", [1e-2, 1e-5, 1e-12, 1e-25])
@pytest.mark.parametrize("dtype", [np.float32, float])
def test_sticky_states(x64, rate, dtype):
    """All of S states left at a rate: M = lambda 1 + (1 - lambda) / S, so that
    t = (1 + lambda) / (1 - lambda) for every f."""
    size = 6
    M = np.full((size, size), rate / (size - 1), dtype)
    np.fill_diagonal(M, 1 - rate)
    f = np.random.default_rng(0).normal(size=size).astype(dtype)
    gap = rate * size / (size - 1)
    found = time(*map(jnp.asarray, (M, np.full(size, 1 / size, dtype), f)))
    # 14 roundings a state, as for the stationary law, and those of f - p_bar f.
    rtol = 40 * size * np.finfo(dtype).eps
    np.testing.assert_allclose(found, (2 - gap) / gap, rtol=rtol)


@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_closed_classes(scale, shift):
    """Two classes of equal averages have the time of each, others none at all."""
    block = np.array([[0.7, 0.3], [0.3, 0.7]])
    M = jnp.asarray(np.kron(np.eye(2), block), jnp.float32)
    uniform = jnp.full(4, 0.25)
    equal = scale * (shift + jnp.asarray([1.0, -1.0, 0.5, -0.5]))
    # A gap of 0.6: (2 - 0.6) / 0.6, from f to within eps * shift.
    np.testing.assert_allclose(time(M, uniform, equal), 7 / 3, rtol=3e-7 + 1e-7 * shift)
    apart = scale * (shift + jnp.asarray([1.0, -1.0, 1.5, -0.5]))
    assert time(M, uniform, apart) == np.inf
    # A class without probability has no say.
    assert np.isfinite(time(M, jnp.asarray([0.5, 0.5, 0, 0]), apart))


@pytest.fixture
def enumerated(system, x64):
    """A, A_bar, M and p_bar of a small model, a class of x, and its moments in each z.

    In the class are x with more than two of five bits.
    """
    A, A_bar = reference.forward_matrix(system), reference.backward_matrix(system)
    f = (reference.bit_rows(5).sum(1) > 2).astype(float)
    mean, joint = A @ f, A @ (f[:, None] * A_bar)
    M, p_bar = A @ A_bar, reference.latent_law(system)
    covariance = joint - mean[:, None] * M
    moments = mean, mean * (1 - mean), covariance
    return A, A_bar, M, p_bar, f, moments


def test_time_of_x_by_enumeration(enumerated):
    """The correlations of f along the chain of all 2^D visible states, summed."""
    A, A_bar, M, p_bar, f, (mean, variance, covariance) = enumerated
    p = p_bar @ A
    centred = f - p @ f
    covariances, later = [], centred
    for _ in range(400):
        covariances.append(np.sum(p * centred * later))
        later = A_bar @ (A @ later)
    expected = 1 + 2 * sum(covariances[1:]) / covariances[0]
    found = time_of_x(M, p_bar, mean, variance, covariance)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    # Controls: without the memory of x itself, and of the mean in z alone.
    for other in (
        time_of_x(M, p_bar, mean, variance, np.zeros_like(M)),
        time(M, p_bar, mean),
    ):
        assert abs(other / expected - 1) > 0.02


def test_time_of_x_of_simulated_means(enumerated):
    """Means over stretches of 4000 chains z -> x -> z scatter as the time says."""
    A, A_bar, M, p_bar, f, moments = enumerated
    expected = time_of_x(M, p_bar, *moments)
    rng = np.random.default_rng(0)
    chains, length = 4000, 100

    def draw(law, given):
        below = rng.random(chains)[:, None] > np.cumsum(law, axis=1)[given]
        return np.minimum(below.sum(1), law.shape[1] - 1)

    z, total = rng.choice(len(M), chains, p=p_bar), np.zeros(chains)
    for _ in range(length):
        x = draw(A, z)
        total += f[x]
        z = draw(A_bar, x)
    share = p_bar @ moments[0]
    found = length * np.var(total / length) / (share * (1 - share))
    # A variance of n values is known to sqrt(2 / n): 2 %; the ends of a stretch miss
    # correlations of 1 / length.
    assert abs(found / expected - 1) < 0.1
    # Control: the latent part alone.
    assert abs(found / time(M, p_bar, moments[0]) - 1) > 0.2


def test_time_of_x_that_z_decides(chain):
    """Where f(x) has no noise the time is that of z; noise alone is independent."""
    M, p_bar, f = chain
    none = jnp.zeros_like(f), jnp.zeros_like(M)
    np.testing.assert_allclose(time_of_x(M, p_bar, f, *none), time(M, p_bar, f))
    noise = jnp.full_like(f, 1e-9), none[1]
    assert time_of_x(M, p_bar, jnp.full_like(f, 0.3), *noise) == 1
    assert np.isnan(time_of_x(M, p_bar, jnp.full_like(f, 0.3), *none))
